"""The same sweep and the same halving wherever they can train, and the hash of what each returns.

`python tests/everywhere.py --rates 64` trains 512 runs in this process, on processes, loky, Dask and a Ray
cluster of three nodes, and in four parts that are merged. It needs the extra `dev`.
"""

import argparse
import contextlib
import hashlib
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import jax
import numpy as np

import fnnet as fn
from fnnet import engines

OWN = {"seconds", "chunk", "lane", "fingerprint"}  # columns that say where and how long a run was trained
Train = Callable[..., fn.Results]


def num_cores() -> int:
    """Return the cores of each worker: as many as are used here, since the last digit of a loss depends on it."""
    return jax.local_device_count()


def recipe_of(data: fn.Dataset) -> Callable[[int], fn.Task]:
    """A closure, which travels by value."""

    def recipe(depth: int) -> fn.Task:
        network = fn.mlp(data.num_features, [16] * depth, data.num_outputs)
        return fn.supervised(network, "cross_entropy", optimizer="sgd")

    return recipe


def space_of(num_rates: int) -> fn.Space:
    """Two depths, some rates and four seeds."""
    return fn.grid(depth=[1, 2], learning_rate=fn.logspace(0.01, 1, num_rates), seed=range(4))


@contextlib.contextmanager
def in_process() -> Iterator[engines.Engine]:
    """Train here."""
    yield engines.local()


@contextlib.contextmanager
def processes() -> Iterator[engines.Engine]:
    """Train on processes of the standard library."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield engines.executor(pool, cores=num_cores())


@contextlib.contextmanager
def loky() -> Iterator[engines.Engine]:
    """Train on processes of loky."""
    from loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(max_workers=2)
    try:
        yield engines.executor(pool, cores=num_cores())
    finally:
        pool.shutdown(wait=True, kill_workers=True)


@contextlib.contextmanager
def dask() -> Iterator[engines.Engine]:
    """Train on a Dask cluster of two processes."""
    from dask.distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster) as client:
        yield engines.executor(client.get_executor(pure=False), num_workers=2, cores=num_cores())


@contextlib.contextmanager
def ray() -> Iterator[engines.Engine]:
    """Train on a Ray cluster of three nodes."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(3):
            cluster.add_node(num_cpus=num_cores())
        yield engines.ray(cpus=num_cores(), address=cluster.address)
    finally:
        ray.shutdown()
        cluster.shutdown()


ENGINES = {"local": in_process, "processes": processes, "loky": loky, "dask": dask, "ray": ray}


def sweep(num_rates: int, **options: object) -> fn.Results:
    """Train all runs."""
    data = fn.load_dataset("digits")
    options = {"num_steps": 60, "eval_every": 20, "lanes": 8, "save_params": True, **options}
    return fn.sweep(recipe_of(data), space_of(num_rates), data, **options)


def halving(num_rates: int, **options: object) -> fn.Results:
    """Train the best runs further than the others."""
    data = fn.load_dataset("digits")
    options = {"rungs": [15, 30, 60], "factor": 2, "metric": "test_loss", "lanes": 8, **options}
    return fn.successive_halving(recipe_of(data), space_of(num_rates), data, **options)


def in_parts(num_rates: int, folder: Path) -> fn.Results:
    """Train four parts, each with a store of its own, and merge them."""
    parts = [folder / str(part) for part in range(1, 5)]
    for part, store in enumerate(parts, 1):
        sweep(num_rates, part=(part, 4), store=store)
    return fn.merge_stores(parts, folder / "all")


def hash_of(results: fn.Results) -> str:
    """Hash the columns, the curves and the parameters, if they are kept."""
    digest = hashlib.sha256()
    for name in sorted(set(results) - OWN):
        column = results[name]
        text = repr(column.tolist()).encode() if column.dtype == object else column.tobytes()
        digest.update(name.encode() + text)
    if "rung" not in results:
        for name in ("train_loss", "test_loss"):
            digest.update(results.curves(name).values.tobytes())
        for depth in (1, 2):
            for leaf in jax.tree.leaves(results.where(depth=depth).params()):
                digest.update(np.asarray(leaf).tobytes())
    return digest.hexdigest()


def main() -> None:
    """Train everywhere and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=int, default=64)
    num_rates = parser.parse_args().rates
    jax.config.update("jax_num_cpu_devices", 1)
    found: dict[str, set[str]] = {"sweep": set(), "halving": set()}
    with tempfile.TemporaryDirectory() as folder:
        for name, opened in ENGINES.items():
            with opened() as engine:
                for search, train in (("sweep", sweep), ("halving", halving)):
                    results = train(num_rates, engine=engine, store=Path(folder) / name / search)
                    found[search].add(hash_of(results))
                    print(f"{name} {search}: {len(results)} runs {hash_of(results)}", flush=True)
        results = in_parts(num_rates, Path(folder) / "parts")
        found["sweep"].add(hash_of(results))
        print(f"4 parts sweep: {len(results)} runs {hash_of(results)}")
    assert all(len(hashes) == 1 for hashes in found.values()), "the engines differ"


if __name__ == "__main__":
    main()
