"""Sweeps in trackers, read back by what each tracker brings to read with."""

import json
import math
import struct
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import fnnet as fn
from fnnet.interop import trackers

SPACE = fn.grid(activation="relu", widths=[(3, 4), (7,)], learning_rate=[0.1, 1e9], use_bias=True)


@pytest.fixture
def results():
    """Four runs of three evaluations; those with the large rate diverge."""
    diverged = np.array([False, True, False, True])
    losses = np.arange(12.0).reshape(4, 3) / 8
    losses[diverged, 1:] = np.nan
    columns = {
        "test_loss": losses[:, -1],
        "epochs": np.arange(4.0),
        "diverged": diverged,
        "step_curve": np.tile([2, 4, 7], (4, 1)),
        "test_loss_curve": losses,
    }
    return fn.Results(SPACE, columns)


def ids(results):
    return [run_id[:8] for run_id in results.space.ids().tolist()]


def is_same(found, wanted):
    return np.array_equal(np.array(found), np.array(wanted), equal_nan=True)


def test_tensorboard_reads_back_what_was_exported(results, tmp_path):
    pytest.importorskip("tensorboard", reason="pip install 'fnnet[tensorboard]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    trackers.to_tensorboard(results, tmp_path / "runs", "sweep")
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == sorted(ids(results))
    for place, name in enumerate(ids(results)):
        read = EventAccumulator(str(tmp_path / "runs" / name))
        read.Reload()
        scalars = read.Scalars("test_loss")
        assert [event.step for event in scalars] == [2, 4, 7]
        assert is_same(
            [event.value for event in scalars], results["test_loss_curve"][place].astype(np.float32)
        )
        assert read.Scalars("final/epochs")[0].value == place

        def about(tag, read=read):
            return HParamsPluginData.FromString(read.SummaryMetadata(tag).plugin_data.content)

        hparams = about("_hparams_/session_start_info").session_start_info.hparams
        assert hparams["learning_rate"].number_value == results["learning_rate"][place]
        assert hparams["widths"].string_value == str(SPACE[place]["widths"])
        assert hparams["use_bias"].bool_value is True and hparams["activation"].string_value == "relu"
        status = about("_hparams_/session_end_info").session_end_info.status
        assert status == (STATUS_FAILURE if results["diverged"][place] else STATUS_SUCCESS)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of MLflow's own database code
def test_mlflow_reads_back_what_was_exported(results, tmp_path):
    pytest.importorskip("mlflow", reason="pip install 'fnnet[mlflow]'")
    from mlflow.tracking import MlflowClient

    trackers.to_mlflow(results, tmp_path / "runs", "sweep")
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("sweep")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert sorted(runs) == sorted(ids(results))
    for place, name in enumerate(ids(results)):
        run = runs[name]
        assert run.data.params == {key: str(value) for key, value in SPACE[place].items()}
        history = client.get_metric_history(run.info.run_id, "test_loss")
        assert [point.step for point in history] == [2, 4, 7]
        assert is_same([point.value for point in history], results["test_loss_curve"][place])
        assert run.data.metrics["epochs"] == place
        assert run.info.status == ("FAILED" if results["diverged"][place] else "FINISHED")


def records(path):
    """Read the records of an offline run: a log of LevelDB with a header of 7 bytes, of messages of wandb."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, start, parts = path.read_bytes(), 7, b""
    while start + 7 <= len(content):
        _, length, kind = struct.unpack("<IHB", content[start : start + 7])
        if not kind:  # the padding at the end of a block
            start += 32768 - start % 32768
            continue
        parts += content[start + 7 : start + 7 + length]
        start += 7 + length
        if 32768 - start % 32768 < 7:
            start += 32768 - start % 32768
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(parts)
            parts = b""


def kind_of(record):
    return record.WhichOneof("record_type")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_wandb_reads_back_what_was_exported(results, tmp_path):
    pytest.importorskip("wandb", reason="pip install 'fnnet[wandb]'")
    trackers.to_wandb(results.where(learning_rate=0.1), tmp_path / "runs", "sweep")
    paths = list((tmp_path / "runs").glob("wandb/offline-*/*.wandb"))
    deadline = time.monotonic() + 30  # wandb's own process writes the end of a file a moment later
    while not all("exit" in map(kind_of, records(path)) for path in paths) and time.monotonic() < deadline:
        time.sleep(0.1)
    found = {}
    for path in paths:
        about, history = None, []
        for record in records(path):
            if kind_of(record) == "run":
                about = record.run
            if kind_of(record) == "history":
                items = {
                    ".".join([item.key, *item.nested_key]).strip("."): item for item in record.history.item
                }
                history.append((record.history.step.num, json.loads(items["test_loss"].value_json)))
        found[about.display_name] = about, history
    assert sorted(found) == sorted(ids(results.where(learning_rate=0.1)))
    for place, name in enumerate(ids(results)):
        if name in found:
            about, history = found[name]
            config = {update.key: json.loads(update.value_json) for update in about.config.update}
            assert about.project == "sweep" and config["learning_rate"] == 0.1
            assert config["widths"] == str(SPACE[place]["widths"])
            assert [step for step, _ in history] == [2, 4, 7]
            assert is_same([value for _, value in history], results["test_loss_curve"][place])


@pytest.mark.parametrize(
    ("name", "package"), [("tensorboard", "tensorboard"), ("mlflow", "mlflow"), ("wandb", "wandb")]
)
def test_missing_tracker_names_its_extra_and_nothing_is_overwritten(
    name, package, results, tmp_path, monkeypatch
):
    for module in list(sys.modules):
        if module.split(".")[0] == package:
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(fn.InputError, match=rf"pip install 'fnnet\[{package}\]'"):
        trackers.TRACKERS[name](results, tmp_path / "new", "sweep")
    assert not (tmp_path / "new").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("precious")
    for taken in (tmp_path / "full", tmp_path / "full" / "thesis.txt"):
        with pytest.raises(fn.InputError, match="exists; name a new folder"):
            trackers.TRACKERS[name](results, taken, "sweep")
    assert [path.name for path in Path(tmp_path, "full").iterdir()] == ["thesis.txt"]


def test_curves_of_runs_with_fewer_evaluations_have_no_padding(results):
    columns = {name: results[name] for name in results if name not in SPACE.axes}
    columns["step_curve"] = np.array([[2.0, 4.0, np.nan]] * 4)
    run = next(trackers.tracked_runs(fn.Results(SPACE, columns)))
    assert (
        run.steps == [2, 4]
        and len(run.curves["test_loss"]) == 2
        and math.isclose(run.metrics["test_loss"], 0.25)
    )
