"""Axes: the names that the command line knows without loading JAX."""

AXES = (
    *("depth", "width", "activation", "initializer", "parameterization", "base_width", "use_bias", "loss"),
    *("batch_size", "order", "optimizer", "schedule", "nesterov", "keep_best", "learning_rate", "seed"),
    *("data_seed", "momentum"),
    *("weight_decay", "max_norm", "b1", "b2", "eps", "decay", "warmup_fraction", "final_factor"),
    *("step_factor", "step_fraction", "dropout"),
)
"""The axes of `mlp_recipe`, whose import is slow."""
