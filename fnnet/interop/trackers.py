"""Sweeps in experiment trackers: TensorBoard, MLflow and Weights & Biases, each optional.

Every run becomes a run of the tracker, named by the first digits of its id, with its hyper-parameters, its learning
curves and its final metrics. Nothing leaves this machine.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fnnet.errors import InputError
from fnnet.records.columns import curve_names, metric_names
from fnnet.records.results import Results


class TrackedRun(NamedTuple):
    """A run in the form that trackers accept.

    name: the first digits of its id.
    config: its hyper-parameters; tuples as strings.
    steps: the steps of its evaluations.
    curves: the learning curves by metric, at these steps.
    metrics: the final metrics by name, including those without a curve.
    diverged: whether the run diverged.
    """

    name: str
    config: dict[str, int | float | bool | str]
    steps: list[int]
    curves: dict[str, list[float]]
    metrics: dict[str, float]
    diverged: bool


def tracked_runs(results: Results) -> Iterator[TrackedRun]:
    """Yield each run of a sweep.

    Example:
        >>> import numpy as np
        >>> from fnnet import grid
        >>> columns = {"loss": np.array([1.0]), "diverged": np.array([False]), "step_curve": np.array([[2, 4]])}
        >>> columns["loss_curve"] = np.array([[3.0, 1.0]])
        >>> (run,) = tracked_runs(Results(grid(widths=[(3, 4)]), columns))
        >>> run.config, run.steps, run.curves
        ({'widths': '(3, 4)'}, [2, 4], {'loss': [3.0, 1.0]})
    """
    final = [name for name in metric_names(results) if name not in results.space.axes]
    curves = curve_names(results)
    for place, (run_id, config) in enumerate(zip(results.space.ids().tolist(), results.space, strict=True)):
        steps = [int(step) for step in results["step_curve"][place] if step == step]
        yield TrackedRun(
            name=run_id[:8],
            config={
                name: value if isinstance(value, int | float | bool | str) else str(value)
                for name, value in config.items()
            },
            steps=steps,
            curves={name: results[f"{name}_curve"][place][: len(steps)].tolist() for name in curves},
            metrics={name: results[name][place].item() for name in final},
            diverged=bool(results["diverged"][place]),
        )


def to_tensorboard(results: Results, folder: Path, title: str) -> None:
    """Write event files for `tensorboard --logdir FOLDER`, one folder per run.

    Args:
        results: the results of a sweep.
        folder: a new folder.
        title: unused; TensorBoard shows the name of the folder.

    Raises:
        InputError: when the folder is not empty, or TensorBoard is not installed.
    """
    _check_new(folder)
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.plugins.hparams import metadata
        from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
        from tensorboard.plugins.hparams.plugin_data_pb2 import (
            HParamsPluginData,
            SessionEndInfo,
            SessionStartInfo,
        )
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise _missing("TensorBoard", "tensorboard") from error

    def about(tag: str, **content: Any) -> Any:
        data = HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content).SerializeToString()
        plugin = SummaryMetadata.PluginData(plugin_name=metadata.PLUGIN_NAME, content=data)
        return Summary(value=[Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin))])

    for run in tracked_runs(results):
        start = SessionStartInfo()
        for name, value in run.config.items():
            if isinstance(value, bool):
                start.hparams[name].bool_value = value
            elif isinstance(value, str):
                start.hparams[name].string_value = value
            else:
                start.hparams[name].number_value = value
        end = SessionEndInfo(status=STATUS_FAILURE if run.diverged else STATUS_SUCCESS)
        writer = EventFileWriter(str(folder / run.name))
        events = [(0, about(metadata.SESSION_START_INFO_TAG, session_start_info=start))]
        for place, step in enumerate(run.steps):
            values = [
                Summary.Value(tag=name, simple_value=curve[place]) for name, curve in run.curves.items()
            ]
            events.append((step, Summary(value=values)))
        last = [Summary.Value(tag=f"final/{name}", simple_value=value) for name, value in run.metrics.items()]
        events.append((run.steps[-1], Summary(value=last)))
        events.append((run.steps[-1], about(metadata.SESSION_END_INFO_TAG, session_end_info=end)))
        for step, summary in events:
            writer.add_event(Event(wall_time=step, step=step, summary=summary))
        writer.close()


def to_mlflow(results: Results, folder: Path, title: str) -> None:
    """Write a database with one experiment, for `mlflow ui --backend-store-uri sqlite:///FOLDER/mlflow.db`.

    Args:
        results: the results of a sweep.
        folder: a new folder.
        title: the title of the experiment.

    Raises:
        InputError: when the folder is not empty, or MLflow is not installed.
    """
    _check_new(folder)
    try:
        from mlflow.entities import Metric, Param
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        raise _missing("MLflow", "mlflow") from error
    folder.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(tracking_uri=f"sqlite:///{folder.absolute() / 'mlflow.db'}")
    experiment = client.create_experiment(title, artifact_location=(folder.absolute() / "artifacts").as_uri())
    for run in tracked_runs(results):
        run_id = client.create_run(experiment, run_name=run.name).info.run_id
        points = [
            Metric(name, value, step, step)
            for name, curve in run.curves.items()
            for step, value in zip(run.steps, curve, strict=True)
        ]
        points += [
            Metric(name, value, run.steps[-1], run.steps[-1])
            for name, value in run.metrics.items()
            if name not in run.curves
        ]
        params = [Param(name, str(value)) for name, value in run.config.items()]
        client.log_batch(run_id, params=params)
        for first in range(0, len(points), MOST_POINTS):
            client.log_batch(run_id, metrics=points[first : first + MOST_POINTS])
        client.set_terminated(run_id, "FAILED" if run.diverged else "FINISHED")


def to_wandb(results: Results, folder: Path, title: str) -> None:
    """Write offline runs of Weights & Biases, which `wandb sync FOLDER/wandb/offline-*` uploads.

    Args:
        results: the results of a sweep.
        folder: a new folder.
        title: the title of the project.

    Raises:
        InputError: when the folder is not empty, or wandb is not installed.
    """
    _check_new(folder)
    try:
        import wandb
    except ImportError as error:
        raise _missing("Weights & Biases", "wandb") from error
    folder.mkdir(parents=True, exist_ok=True)
    settings = wandb.Settings(
        silent=True, console="off", disable_git=True, save_code=False, x_disable_stats=True
    )
    for run in tracked_runs(results):
        with wandb.init(
            mode="offline",
            dir=str(folder),
            project=title,
            name=run.name,
            config=run.config,
            settings=settings,
            reinit="create_new",
        ) as offline:
            for place, step in enumerate(run.steps):
                offline.log({name: curve[place] for name, curve in run.curves.items()}, step=step)
            offline.summary.update({**run.metrics, "diverged": run.diverged})


MOST_POINTS = 1000  # in one request to MLflow
TRACKERS: dict[str, Callable[[Results, Path, str], None]] = {
    "tensorboard": to_tensorboard,
    "mlflow": to_mlflow,
    "wandb": to_wandb,
}
"""Exporters by name: functions of results, a new folder and a title."""


def _check_new(folder: Path) -> None:
    """Check that a folder is new or empty, so that no exports are mixed."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder} exists; name a new folder")


def _missing(name: str, extra: str) -> InputError:
    return InputError(f"{name} is not installed: pip install 'fnnet[{extra}]'")
