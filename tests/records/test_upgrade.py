"""A store of format 2, made by the last version that wrote it, is read and upgraded in place."""

import hashlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import fnnet as fn
from fnnet.records.store import Store
from fnnet.records.upgrade import params_of_format_2

SPACE = fn.grid(depth=[0, 1], width=3, learning_rate=[0.1, 0.3], seed=range(2))
SHAPES = {0: [(4, 3)], 1: [(4, 3), (3, 3)]}


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(Path(__file__).parent / "format_2", tmp_path / "store")


def sweep(folder, **options):
    data = fn.load_dataset("iris")
    options = {"num_steps": 12, "eval_every": 4, "lanes": 2, "store": folder, **options}
    return fn.sweep(fn.mlp_recipe(data), options.pop("space", SPACE), data, **options)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check_members(results):
    for run, config in enumerate(results.space):
        params = results.params(run)
        assert [layer["w"].shape for layer in params] == SHAPES[config["depth"]]
    assert results.where(depth=1).params()[1]["w"].shape == (4, 3, 3)
    # Those of one run are where its row says: trained again they differ by rounding only.
    data = fn.load_dataset("iris")
    hparams = {"learning_rate": 0.3, "seed": 1}
    alone = fn.train(fn.mlp_recipe(data)(depth=1, width=3), hparams, data, num_steps=12)
    kept = results.where(depth=1, learning_rate=0.3, seed=1).params(0)
    np.testing.assert_allclose(kept[0]["w"], alone.state.params[0]["w"], atol=1e-5)


def test_format_2_is_read_unchanged(folder):
    before = contents(folder)
    results = fn.open_results(folder)
    assert results.table().height == 8 and results["step_curve"].tolist() == 8 * [[4, 8, 12]]
    check_members(results)
    assert contents(folder) == before


def test_store_is_opened_without_loading_jax(folder):
    code = "import sys, fnnet as fn; print(len(fn.open_results(sys.argv[1]).space), 'jax' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["8", "False"]


@pytest.mark.slow
def test_sweep_upgrades_format_2_in_place_and_trains_nothing_again(folder):
    table = fn.open_results(folder).table(records=True)
    state = folder / "states" / f"{'0' * 16}.state"
    state.parent.mkdir()
    state.write_bytes(b"of format 2")
    with pytest.raises(fn.InputError, match="under another fingerprint"):
        sweep(folder)
    assert json.loads((folder / "plan.json").read_text())["plan"]["format"] == 2
    results = sweep(folder, accept_fingerprint=True)
    assert results.table(records=True).equals(table)
    assert json.loads((folder / "plan.json").read_text())["plan"]["format"] == 3
    assert [path.name for path in (folder / "damaged").iterdir()] == [f"{state.name}.0"]
    check_members(fn.open_results(folder))
    grown = sweep(folder, space=fn.grid(**dict(SPACE.axes) | {"seed": range(3)}), accept_fingerprint=True)
    assert grown.where(seed=[0, 1]).table(records=True).equals(table)
    assert grown.table().height == 12
    again = contents(folder)
    assert sweep(folder, space=grown.space).table().equals(grown.table()), "no fingerprint is new any more"
    assert {path for path in again if again[path] != contents(folder)[path]} <= {Path("plan.json")}


def test_interrupted_upgrade_is_finished_by_the_next(folder, monkeypatch):
    store, table = Store(folder), fn.open_results(folder).table(records=True)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "write_plan", lambda self, plan: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full"), store.writing():
            pass
    assert store.read_plan()["older_fingerprints"] == sorted(set(table["fingerprint"]))
    with store.writing():
        pass
    results = fn.open_results(folder)
    assert results.table(records=True).equals(table)
    check_members(results)


@pytest.mark.parametrize(
    "arrays", [{"w": np.array(["a"])}, {"w": np.zeros(3, [("x", "f4")])}, {"w": np.array([None])}]
)
def test_params_that_are_not_numbers_count_as_damage(arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    body = buffer.getvalue()
    rows = pl.DataFrame({"id": ["a"], "fingerprint": ["f"]})
    assert params_of_format_2(hashlib.sha256(body).hexdigest().encode() + b"\n" + body, rows) is None
