"""Files of a store with a right hash but another form."""

import io
import json
import shutil

import numpy as np
import polars as pl
import pytest
from weight_sweeps import rewrite, sweep, table

import fnnet as fn
from fnnet.records import store as stores
from fnnet.records.sealed import Sealed, seal
from fnnet.records.store import Store


def set_lanes(lanes):
    return lambda plan: plan["groups"][0].update(lanes=lanes)


@pytest.mark.parametrize(
    "change",
    [
        *(
            lambda plan, name=name: plan.pop(name) and None
            for name in ("space", "settings", "fingerprint", "groups")
        ),
        lambda plan: [1],
        lambda plan: {"x": 1},
        lambda plan: plan.update(groups=["a"]),
        lambda plan: plan.update(settings=[1]),
        lambda plan: plan.update(earlier=["a"]),
        lambda plan: plan.update(format=1),
        *map(set_lanes, (-1, 0, 10**9, "x", None)),
    ],
)
def test_plan_of_any_other_form_is_refused_in_one_line(store, change):
    rewrite(store, change)
    for use in (fn.open_results, sweep):
        with pytest.raises(fn.InputError, match=r"plan\.json"):
            use(store.folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.drop("id"),
        lambda rows: rows.drop("fingerprint"),
        lambda rows: rows.with_columns(id=pl.lit(7)),
        lambda rows: rows.head(0),
    ],
)
def test_rows_of_any_other_form_are_damage(store, reference, change):
    (path, *_) = sorted((store.folder / "chunks").iterdir())
    buffer = io.BytesIO()
    change(pl.read_parquet(path)).write_parquet(buffer)
    path.write_bytes(buffer.getvalue())
    with store.sums_path.open("a") as sums:
        sums.write(f"\n{stores._hash(buffer.getvalue())}  chunks/{path.name}\n")
    assert len(fn.open_results(store.folder).space) == 4
    assert table(sweep(store.folder)).equals(table(reference[1]))


def resealed(header):
    body = json.dumps(header).encode() + b"\n" + bytes(8)
    return stores._hash(body).encode() + b"\n" + body


@pytest.mark.parametrize(
    "arrays",
    [
        [["w", "float32", [-2]]],
        [["w", "float32", [2**70]]],
        [["w", "object", [1]]],
        [["w", "__import__('os')", [1]]],
        [["w", "float32", [1]]],
        [["w"]],
        "text",
        [["w", "float32", [2]]],
    ],
)
def test_arrays_of_any_other_form_are_damage(store, arrays):
    """Even with a right hash: the last ones are arrays, but not a row for each run."""
    (path, *_) = sorted((store.folder / "params").iterdir())
    kept = store.load_params(path.stem).about
    path.write_bytes(resealed({"about": {**kept, "runs": kept["runs"] * 2}, "arrays": arrays}))
    row = fn.open_results(store.folder)["chunk"].tolist().index(path.stem)
    with pytest.raises(fn.InputError, match="the parameters of run"):
        fn.open_results(store.folder).params(row)


def test_state_of_any_other_form_starts_its_chunk_over(reference, tmp_path, stop_at_evaluation):
    with pytest.raises(RuntimeError, match="stopped"):
        sweep(tmp_path, state_every=0.0, on_event=stop_at_evaluation(2)[0])
    (path,) = (tmp_path / "states").iterdir()
    about = Store(tmp_path).load_state(path.stem).about
    for arrays in ({}, {"progress/0": np.zeros((2, 7, 9))}):
        path.write_bytes(seal(about, arrays))
        assert isinstance(Store(tmp_path).load_state(path.stem), Sealed)
        assert table(sweep(tmp_path)).equals(table(reference[1]))
        shutil.rmtree(tmp_path / "chunks")
