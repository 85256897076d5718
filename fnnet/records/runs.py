"""One run of a sweep: everything that its store says about it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fnnet.records.columns import curve_names, metric_names
from fnnet.records.commands import run_call, run_command
from fnnet.records.results import Results
from fnnet.space.space import Config


class RunRecord(NamedTuple):
    """What a store says about a run.

    id: its hash.
    config: its hyper-parameters.
    metrics: by name, at the end.
    steps: the number of steps trained.
    diverged_at: the step at which it diverged, or -1.
    seconds: its share of its chunk's time.
    chunk, lane, fingerprint: where and how it was trained.
    curve_steps: the steps of its evaluations.
    curves: by metric, at these steps.
    command: what trains it alone, if fnnet sweep made the sweep.
    call: the call in Python that does so.
    """

    id: str
    config: Config
    metrics: dict[str, float]
    steps: int
    diverged_at: int
    seconds: float
    chunk: str
    lane: int
    fingerprint: str
    curve_steps: list[int]
    curves: dict[str, list[float]]
    command: list[str] | None
    call: str


def read_run(results: Results, plan: Mapping[str, Any]) -> RunRecord:
    """Read everything about one run.

    Args:
        results: the results of that run alone, as `results.where(...)` returns them, from a store.
        plan: the plan of the store.

    Example:
        >>> import tempfile
        >>> from fnnet import grid, load_dataset, mlp_recipe, sweep
        >>> data = load_dataset("iris")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     space = grid(learning_rate=0.1, seed=range(3))
        ...     results = sweep(mlp_recipe(data), space, data, num_steps=6, eval_every=2, store=folder)
        ...     run = read_run(results.where(seed=2), results.store.read_plan())
        >>> run.config, run.steps, run.curve_steps, len(run.curves["test_loss"])
        ({'learning_rate': 0.1, 'seed': 2}, 6, [2, 4, 6], 3)
    """
    steps = [int(step) for step in results["step_curve"][0] if step == step]
    config = results.space[0]
    run_id = str(results["id"][0])
    return RunRecord(
        id=run_id,
        config=config,
        metrics={
            name: results[name][0].item() for name in metric_names(results) if name not in results.space.axes
        },
        steps=steps[-1],
        diverged_at=int(results["diverged_at"][0]),
        seconds=float(results["seconds"][0]),
        chunk=str(results["chunk"][0]),
        lane=int(results["lane"][0]),
        fingerprint=str(results["fingerprint"][0]),
        curve_steps=steps,
        curves={name: results[f"{name}_curve"][0][: len(steps)].tolist() for name in curve_names(results)},
        command=run_command(plan, config, Path(f"run-{run_id[:8]}")),
        call=run_call(plan, config, steps[-1]),
    )
