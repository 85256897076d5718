"""Systems that train many networks, each a module written as the system's own documentation teaches it."""

SYSTEMS = {
    "fnnet": "peers.fnnet_program",
    "jax_loop": "peers.jax_loop",
    "jax_scan": "peers.jax_scan",
    "naive_vmap": "peers.naive_vmap",
    "flax_nnx": "peers.flax_nnx",
    "flax_nnx_partial": "peers.flax_nnx_partial",
    "torch_threads": "peers.torch_threads",
    "torch_processes": "peers.torch_processes",
    "torch_func": "peers.torch_func",
    "sklearn_mlp": "peers.sklearn_mlp",
}
"""Where each system is; a module holds its `SYSTEM`."""

CEILINGS = {"peak": "peers.peak", "copy": "peers.memory_copy"}
"""What the machine can do, measured as if it were a system."""
