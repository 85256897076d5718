"""Kills a real sweep at random moments, resumes it each time, and compares every bit with an undisturbed one.

`python tests/faults/kill_sweep.py --kills 60` is the long version; `make test` kills fewer times. The kill is
SIGKILL, which no handler sees. Times are drawn uniformly over the length of an undisturbed sweep. Every segment
is written down before it is trained, which shows how much work was repeated.
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

NUM_STEPS, EVAL_EVERY = 400, 50


def run_sweep(folder: str) -> None:
    """64 runs in 4 groups, whose state is saved at every border of segments."""
    import fnnet as fn
    from fnnet.sweeps.events import Segment

    reached: dict[str, int] = {}

    def note(event: object) -> None:
        if isinstance(event, Segment):
            before = reached.get(event.spec.id, event.first_step)
            reached[event.spec.id] = event.step
            with Path(f"{folder}.segments").open("a") as file:
                file.write(f"{event.step - before}\n")

    data = fn.load_dataset("digits")
    space = fn.grid(
        depth=[0, 1, 2, 3], keep_best="test_loss", learning_rate=fn.logspace(1e-2, 1, 4), seed=range(4)
    )
    print("ready", flush=True)
    fn.sweep(
        fn.mlp_recipe(data),
        space,
        data,
        num_steps=NUM_STEPS,
        eval_every=EVAL_EVERY,
        store=folder,
        lanes=4,
        state_every=0.0,
        save_params=True,
        on_event=note,
    )


def table_hash(folder: Path) -> str:
    """Hash the table, the curves and the parameters, without the times it took."""
    import jax

    import fnnet as fn

    results = fn.open_results(folder)
    assert len(results.space) == 64
    digest = hashlib.sha256(results.table(records=True).drop("seconds").write_csv().encode())
    for name in sorted(name for name in results if name.endswith("_curve")):
        digest.update(results[name].tobytes())
    for depth in (0, 1, 2, 3):
        for leaf in jax.tree.leaves(results.where(depth=depth).params()):
            digest.update(leaf.tobytes())
    return digest.hexdigest()


def steps_trained(folder: Path) -> int:
    """Add up the lengths of all segments that were begun, over all chunks."""
    return sum(map(int, Path(f"{folder}.segments").read_text().split()))


def start(folder: Path) -> subprocess.Popen:
    """Start a sweep in a process of its own and wait until it is about to train."""
    code = f"import kill_sweep; kill_sweep.run_sweep({str(folder)!r})"
    here = Path(__file__).parent
    process = subprocess.Popen([sys.executable, "-c", code], cwd=here, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    return process


def timed(folder: Path) -> float:
    """Run a sweep to its end; returns the seconds it took."""
    process, started = start(folder), time.perf_counter()
    assert process.wait() == 0
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="fnnet-kills-") as root:
        os.environ["FNNET_CACHE"] = root
        timed(Path(root, "first"))  # compiles
        whole = timed(Path(root, "clean"))
        reference = table_hash(Path(root, "clean"))
        assert table_hash(Path(root, "first")) == reference
        needed = steps_trained(Path(root, "clean"))
        kills = sweeps = repeated = 0
        while kills < options.kills:
            folder = Path(root, f"killed-{sweeps}")
            sweeps, kills_before = sweeps + 1, kills
            while True:
                process = start(folder)
                try:
                    process.wait(timeout=rng.uniform(0, whole))
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    kills += 1
                else:
                    assert process.returncode == 0
                    break
            assert table_hash(folder) == reference, f"sweep {sweeps} differs after {kills} kills"
            again = steps_trained(folder) - needed
            assert again <= EVAL_EVERY * (kills - kills_before), f"sweep {sweeps} repeated {again} steps"
            repeated += again
        print(f"{kills} kills in {sweeps} sweeps of {whole:.1f} s: every table is {reference[:16]}")
        print(f"{repeated / EVAL_EVERY:.0f} segments were trained again, at most one for each kill")


if __name__ == "__main__":
    sys.exit(main())
