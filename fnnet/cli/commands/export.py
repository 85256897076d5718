"""`fnnet export`: a trained network for other programs, or runs for experiment trackers."""

import re
from pathlib import Path
from typing import Literal

import tyro

from fnnet.cli.selection import Run, choose_run, choose_runs, open_finished

Target = Literal["safetensors", "tensorboard", "mlflow", "wandb"]


def export(
    store: tyro.conf.Positional[Path],
    run: Run = (),
    /,
    *,
    out: Path,
    to: Target = "safetensors",
    best: str | None = None,
) -> None:
    """Export a trained network to a safetensors file, or runs to an experiment tracker.

        fnnet export results/digits --best test_accuracy --out model.safetensors

    A network is written with its preprocessing, for fnnet predict; the sweep must have kept its parameters (see
    --save-params). Trackers get the configurations, curves and metrics of all runs that have the given values.

    Args:
        store: the folder of the sweep.
        run: values of the run or runs, or the first digits of an id; axes with a single value can be left out.
        out: the new file to write, such as model.safetensors, or, for a tracker, the new folder.
        to: the format; tensorboard, mlflow and wandb (offline) need the extra of that name.
        best: choose the best of several runs by this metric, such as test_accuracy.
    """
    results = open_finished(store)
    if to == "safetensors":
        from fnnet.evaluation.export import trained_model
        from fnnet.interop import safetensors

        chosen = choose_run(results, run, best)
        safetensors.save(out, trained_model(chosen, 0))
        values = " ".join(f"{name}={value}" for name, value in chosen.space[0].items())
        print(f"wrote {out}: {values}")
        return
    from fnnet.interop.trackers import TRACKERS

    chosen = choose_runs(results, run) if best is None else choose_run(results, run, best)
    title = re.sub(r"[^A-Za-z0-9_.-]", "_", store.absolute().name)
    TRACKERS[to](chosen, out, title)
    shown = {
        "tensorboard": f"to see them: tensorboard --logdir {out}",
        "mlflow": f"to see them: mlflow ui --backend-store-uri sqlite:///{out}/mlflow.db",
        "wandb": f"to send them: wandb sync {out}/wandb/offline-*",
    }
    print(f"wrote {len(chosen):,} run{'s' * (len(chosen) != 1)} to {out}; {shown[to]}")
