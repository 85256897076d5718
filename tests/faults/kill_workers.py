"""Kills workers, nodes, heads and coordinators of sweeps on a Ray cluster at random moments, and compares every bit.

`python tests/faults/kill_workers.py --workers 20 --nodes 10 --coordinators 5 --heads 1` needs Ray; the cluster is three
nodes of one core each on this machine. The kills are SIGKILL, and a node that is lost takes its worker with it; where the
head is lost, the sweep may end, and goes on with a new cluster. In every second sweep one run kills its process whenever
it trains ("poison"): it alone may be missing in the end.
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ray._private.node import Node
    from ray.cluster_utils import Cluster

NUM_STEPS, EVAL_EVERY, NUM_RUNS = 400, 100, 48


def run_sweep(folder: str, address: str, poison: str) -> None:
    """48 runs in chunks of 4; where there is a file `poison`, the run of rate 0.5 kills its process."""
    import jax

    import fnnet as fn
    from fnnet import engines

    data = fn.load_dataset("digits")

    def recipe(depth: int) -> fn.Task:
        network = fn.mlp(data.num_features, [32] * depth, data.num_outputs)
        task = fn.supervised(network, "cross_entropy", optimizer="sgd")

        def kill(rate: float) -> float:
            if rate == 0.5 and Path(poison).exists():
                os.kill(os.getpid(), signal.SIGKILL)
            return rate

        def step(key, hparams, state, batch):  # type: ignore[no-untyped-def]
            state, metrics = task.step(key, hparams, state, batch)
            rate = hparams["learning_rate"]
            shape = jax.ShapeDtypeStruct((), rate.dtype)
            metrics["rate"] = jax.pure_callback(kill, shape, rate, vmap_method="sequential")
            return state, metrics

        return task._replace(step=step)

    space = fn.grid(depth=[1, 2], learning_rate=[0.05, 0.1, 0.2, 0.3, 0.4, 0.5], seed=range(4))
    engine = engines.ray(3, address=address) if address else None
    fn.sweep(
        recipe,
        space,
        data,
        num_steps=NUM_STEPS,
        eval_every=EVAL_EVERY,
        store=folder,
        lanes=4,
        state_every=0.5,
        save_params=True,
        engine=engine,
    )


def table_hash(folder: Path, *, without_poison: bool = False) -> str:
    """Hash the table, the curves and the parameters, without what says where and how long they were trained."""
    import jax
    import numpy as np

    import fnnet as fn

    results = fn.open_results(folder)
    if without_poison:
        results = results.where(learning_rate=lambda rate: rate != 0.5)
    digest = hashlib.sha256()
    for name in sorted(set(results) - {"seconds", "chunk", "lane", "fingerprint"}):
        digest.update(
            name.encode() + np.ascontiguousarray(results[name]).tobytes() * (results[name].dtype != object)
        )
    for depth in (1, 2):
        for leaf in jax.tree.leaves(results.where(depth=depth).params()):
            digest.update(leaf.tobytes())
    return f"{len(results)} runs {digest.hexdigest()[:16]}"


def start(folder: Path, address: str, poison: Path) -> subprocess.Popen:
    """Start a coordinator in a process of its own."""
    code = f"import kill_workers; kill_workers.run_sweep({str(folder)!r}, {address!r}, {str(poison)!r})"
    with Path(f"{folder}.log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-c", code], cwd=Path(__file__).parent, stdout=log, stderr=log
        )


def worker_processes() -> list[int]:
    """List the processes of actors."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::_Actor"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def start_cluster() -> "tuple[Cluster, list[Node]]":
    """Start a head without cores, and three nodes of one core each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    return cluster, [cluster.add_node(num_cpus=1) for _ in range(3)]


def ends_within(process: subprocess.Popen, seconds: float) -> bool:
    """Wait for a process; kill one that goes on for longer."""
    try:
        return process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False


def main() -> None:
    """Kill, go on, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, number in (("workers", 3), ("nodes", 3), ("coordinators", 3), ("heads", 1)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chooser = random.Random(arguments.seed)

    with tempfile.TemporaryDirectory() as folder:
        poison = Path(folder) / "poison"
        undisturbed = Path(folder) / "undisturbed"
        assert start(undisturbed, "", poison).wait() == 0, Path(f"{undisturbed}.log").read_text()
        expected = table_hash(undisturbed), table_hash(undisturbed, without_poison=True)
        print("undisturbed:", *expected, flush=True)
        cluster, nodes = start_cluster()
        left = {
            "worker": arguments.workers,
            "node": arguments.nodes,
            "coordinator": arguments.coordinators,
            "head": arguments.heads,
        }
        done = dict.fromkeys([*left, "own node", "sweep without head"], 0)
        number = 0
        while any(done[kind] < left[kind] for kind in left):
            store, number = Path(folder) / f"store{number}", number + 1
            is_poisoned = number % 2 == 0
            poison.touch() if is_poisoned else poison.unlink(missing_ok=True)
            process, lost_node = start(store, cluster.address, poison), False
            while process.poll() != 0:
                if process.poll() is not None:
                    # All nodes are on this machine, so a coordinator may hang on the one that was lost.
                    assert lost_node, Path(f"{store}.log").read_text()[-3000:]
                    process, lost_node = start(store, cluster.address, poison), False
                    done["own node"] += 1
                time.sleep(chooser.uniform(0.5, 4.0))
                kinds = [kind for kind in left if done[kind] < left[kind]]
                if not kinds or is_poisoned or process.poll() is not None:
                    continue
                kind, workers = chooser.choice(kinds), worker_processes()
                if kind == "worker" and workers:
                    os.kill(chooser.choice(workers), signal.SIGKILL)
                elif kind == "node":
                    cluster.remove_node(nodes.pop(chooser.randrange(3)), allow_graceful=False)
                    nodes.append(cluster.add_node(num_cpus=1))
                    lost_node = True
                elif kind == "coordinator" and (store / "plan.json").exists():
                    process.kill()
                    process.wait()
                    process = start(store, cluster.address, poison)
                elif kind == "head" and (store / "chunks").is_dir():
                    cluster.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
                    done["sweep without head"] += ends_within(process, 60)
                    cluster.shutdown()
                    cluster, nodes = start_cluster()
                    process, lost_node = start(store, cluster.address, poison), False
                else:
                    continue
                done[kind] += 1
            found = table_hash(store, without_poison=is_poisoned)
            assert found == expected[is_poisoned], f"{store}: {found}, expected {expected[is_poisoned]}"
            print(f"sweep {number}{' with poison' * is_poisoned}: {found}, killed so far {done}", flush=True)
        cluster.shutdown()


if __name__ == "__main__":
    main()
