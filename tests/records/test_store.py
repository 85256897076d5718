"""A sweep and its folder: resuming, growing, refusing, and keeping parameters."""

import dataclasses
import os
import signal
import threading

import jax
import numpy as np
import polars as pl
import pytest

import fnnet as fn
from fnnet.records.sealed import Sealed
from fnnet.records.store import Store
from fnnet.sweeps.events import Committed, Evaluated


@pytest.fixture(scope="module")
def data():
    return fn.load_dataset("iris")


def sweep(data, folder, rates=4, seeds=2, **options):
    space = fn.grid(depth=[0, 1], learning_rate=fn.linspace(0.1, 0.1 * rates, rates), seed=range(seeds))
    return fn.sweep(
        fn.mlp_recipe(data),
        space,
        data,
        **{"num_steps": 20, "store": folder, "lanes": 4, "on_event": note, **options},
    )


def without_times(results):
    return results.table(records=True).drop("seconds")


TRAINED = []


def note(event):
    """Note the runs of every chunk that is trained."""
    if isinstance(event, Committed):
        TRAINED.extend(event.rows["id"])


@pytest.fixture
def steps_trained():
    TRAINED.clear()
    return TRAINED


@pytest.mark.slow
def test_finished_sweep_trains_nothing_again(data, tmp_path, steps_trained):
    first = sweep(data, tmp_path)
    assert len(steps_trained) == 16
    again = sweep(data, tmp_path)
    assert len(steps_trained) == 16 and again.table().equals(first.table())
    assert fn.open_results(tmp_path).table().equals(first.table())


@pytest.mark.slow
def test_finished_sweep_grows_by_what_is_new(data, tmp_path, steps_trained):
    old = without_times(sweep(data, tmp_path, rates=3, seeds=2))
    files = {path: path.read_bytes() for path in (tmp_path / "chunks").iterdir()}
    grown = sweep(data, tmp_path, rates=5, seeds=4)
    assert len(steps_trained) == 2 * 5 * 4 and len(set(steps_trained)) == len(steps_trained)
    assert all(path.read_bytes() == content for path, content in files.items())
    assert without_times(grown).join(old.select("id"), on="id", how="semi").equals(old)


@pytest.mark.slow
def test_every_kind_of_value_can_be_kept(data, tmp_path):
    def recipe(widths, activation="relu", use_bias=True, mixed="a"):
        network = fn.mlp(4, widths, 3, activation, use_bias=use_bias)
        return fn.supervised(network, "mse", optimizer="sgd", batch_size=16 if mixed == "a" else 8)

    space = fn.grid(widths=[(3,), (5, 2)], activation=["tanh"], learning_rate=0.1) | fn.grid(
        widths=[()], use_bias=[False, True], mixed=["b", 2], learning_rate=0.1
    )
    table = fn.sweep(recipe, space, data, num_steps=2, store=tmp_path).table()
    assert table["widths"].to_list() == ["(3,)", "(5, 2)"] + 4 * ["()"]
    assert table["activation"].to_list() == 2 * ["tanh"] + 4 * [None]
    assert table["use_bias"].to_list() == [None, None, False, False, True, True]
    assert table["mixed"].to_list() == [None, None, "b", "2", "b", "2"]
    table.write_parquet(tmp_path / "table.parquet")
    assert fn.open_results(tmp_path).table().equals(table)


def test_only_a_damaged_chunk_is_trained_again(data, tmp_path, steps_trained):
    whole = without_times(sweep(data, tmp_path))
    hit = sorted((tmp_path / "chunks").iterdir())[0]
    lost = pl.read_parquet(hit)["id"].to_list()
    content = bytearray(hit.read_bytes())
    content[len(content) // 2] ^= 4
    hit.write_bytes(content)
    steps_trained.clear()
    assert without_times(sweep(data, tmp_path)).equals(whole)
    assert sorted(steps_trained) == sorted(lost)
    assert [path.name for path in (tmp_path / "damaged").iterdir()] == [f"{hit.name}.0"]


def test_damaged_plan_is_rewritten(data, tmp_path, steps_trained):
    whole = sweep(data, tmp_path).table()
    plan = tmp_path / "plan.json"
    plan.write_text(plan.read_text().replace('"num_steps": 20', '"num_steps": 21'))
    with pytest.raises(fn.InputError, match="is damaged"):
        fn.open_results(tmp_path)
    steps_trained.clear()
    assert sweep(data, tmp_path).table().equals(whole) and steps_trained == []


@pytest.mark.slow
def test_another_sweep_is_refused(data, tmp_path):
    sweep(data, tmp_path)
    with pytest.raises(fn.InputError, match="was made with num_steps=20, got 30"):
        sweep(data, tmp_path, num_steps=30)
    with pytest.raises(fn.InputError, match="was made with eval_every=None, got 5"):
        sweep(data, tmp_path, eval_every=5)


@pytest.mark.slow
def test_another_fingerprint_is_refused_and_then_marked(data, tmp_path):
    sweep(data, tmp_path, rates=2)
    with pytest.raises(fn.InputError, match=r"another fingerprint \(lanes: 4 -> 8\)"):
        sweep(data, tmp_path, rates=2, lanes=8)
    grown = sweep(data, tmp_path, rates=3, lanes=8, accept_fingerprint=True).table(records=True)
    counts = grown["fingerprint"].value_counts()["count"].sort().to_list()
    assert counts == [2, 2, 4, 4], "two programs, each under two fingerprints"


def test_other_data_are_another_sweep(data, tmp_path):
    """Also where another fingerprint is accepted: rows of two data sets in one table mean nothing."""
    sweep(data, tmp_path, rates=1)
    other = dataclasses.replace(data, test=data.train)
    expected = "the data have changed \\(test inputs differ: [0-9a-f]{8} -> [0-9a-f]{8}, test targets differ"
    with pytest.raises(fn.InputError, match=expected):
        sweep(other, tmp_path, rates=1, accept_fingerprint=True)


def test_second_writer_is_refused(data, tmp_path):
    with Store(tmp_path).writing(), pytest.raises(fn.InputError, match="another process is writing"):
        sweep(data, tmp_path)


def test_folder_of_other_files_is_refused(data, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(fn.InputError, match="holds files but no sweep"):
        sweep(data, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_invalid_sweep_writes_nothing(data, tmp_path):
    with pytest.raises(fn.InputError, match="learning_rate"):
        fn.sweep(fn.mlp_recipe(data), fn.grid(seed=[0]), data, num_steps=5, store=tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_state_of_a_chunk_is_resumed(data, tmp_path, stop_at_evaluation):
    """Stopped in its last segment, a chunk goes on from the border before, to the same bits."""
    options = {"eval_every": 5, "state_every": 0.0, "rates": 2, "seeds": 1}
    whole = sweep(data, tmp_path / "whole", **options)
    on_event, calls = stop_at_evaluation(4)
    with pytest.raises(RuntimeError, match="stopped"):
        sweep(data, tmp_path / "cut", on_event=on_event, **options)
    assert len(list((tmp_path / "cut" / "states").iterdir())) == 1
    resumed = sweep(data, tmp_path / "cut", on_event=on_event, **options)
    assert calls == [5, 10, 15, 20, 20, 5, 10, 15, 20], "only the last segment is done again"
    assert without_times(resumed).equals(without_times(whole))
    for name in [name for name in whole if name.endswith("_curve")]:
        np.testing.assert_array_equal(resumed[name], whole[name])
    assert list((tmp_path / "cut" / "states").iterdir()) == []


@pytest.mark.slow
def test_state_of_another_fingerprint_is_not_resumed(data, tmp_path, stop_at_evaluation):
    on_event, calls = stop_at_evaluation(3)
    options = {"eval_every": 5, "state_every": 0.0, "rates": 1, "seeds": 2, "on_event": on_event}
    with pytest.raises(RuntimeError, match="stopped"):
        sweep(data, tmp_path, **options)
    sweep(data, tmp_path, **{**options, "lanes": 2}, accept_fingerprint=True)
    assert calls == [5, 10, 15] + 2 * [5, 10, 15, 20]


def test_damaged_state_starts_its_chunk_over(tmp_path):
    store = Store(tmp_path)
    with store.writing():
        store.save_state("0" * 16, Sealed({"step": 3}, {"w": np.ones((5, 2))}))
        assert store.load_state("0" * 16).about["step"] == 3
        path = store.state_path("0" * 16)
        path.write_bytes(path.read_bytes()[:-1])
        assert store.load_state("0" * 16) is None


def test_state_is_deleted_once_its_runs_are_finished(tmp_path):
    store = Store(tmp_path)
    runs = {digit: [digit * 32, digit * 31 + "f"] for digit in "0123"}
    with store.writing():
        for digit, ids in runs.items():
            store.save_state(digit * 16, Sealed({"runs": ids}, {}))
        store.drop_state("0" * 16)
        assert store.state_ids() == ["1" * 16, "2" * 16, "3" * 16]
        store.state_path("3" * 16).write_bytes(b"damaged")
        store.drop_states({*runs["1"], *runs["2"][:1]})
    assert store.state_ids() == ["2" * 16]


def test_names_never_become_paths(tmp_path):
    for name in ("../../etc/passwd", "", "0" * 15, "0" * 15 + "/"):
        with pytest.raises(fn.InputError, match="16 hexadecimal digits"):
            Store(tmp_path).chunk_path(name)


@pytest.mark.slow
def test_member_is_the_network_that_was_trained(data, tmp_path):
    results = sweep(data, tmp_path, save_params=True)
    recipe = fn.mlp_recipe(data)
    for run in (0, 7, 15):
        config = results.space[run]
        hparams = {"learning_rate": config["learning_rate"], "seed": config["seed"]}
        alone = fn.train(recipe(depth=config["depth"]), hparams, data, num_steps=20)
        jax.tree.map(
            lambda kept, trained: np.testing.assert_allclose(kept, trained, atol=1e-5),
            results.params(run),
            alone.state.params,
        )
    with pytest.raises(fn.InputError, match="the parameters of run 0 were not kept"):
        sweep(data, None).params(0)


def test_unfinished_sweep_can_be_read(data, tmp_path):
    whole = sweep(data, tmp_path)
    sorted((tmp_path / "chunks").iterdir())[0].unlink()
    part = fn.open_results(tmp_path)
    assert len(part.space) == 8 and part.table().height == 8
    assert (
        without_times(whole)
        .join(part.table(records=True).select("id"), on="id", how="semi")
        .equals(without_times(part))
    )
    with pytest.raises(fn.InputError, match=r"has no plan\.json"):
        fn.open_results(tmp_path / "absent")


@pytest.mark.slow
def test_ctrl_c_finishes_the_commit(data, tmp_path):
    """The first Ctrl-C is kept until the chunk's segment is over and its state is safe."""

    def pressing(event):
        if isinstance(event, Evaluated):
            timer = threading.Timer(0, lambda: os.kill(os.getpid(), signal.SIGINT))
            timer.start()
            timer.join()

    with pytest.raises(KeyboardInterrupt):
        sweep(data, tmp_path, eval_every=10, on_event=pressing)
    assert len(list((tmp_path / "states").iterdir())) == 1
    assert sweep(data, tmp_path, eval_every=10).table().height == 16


@pytest.mark.slow
def test_verifying_finds_agreement_and_forgery(data, tmp_path):
    sweep(data, tmp_path)
    differences = fn.verify(fn.mlp_recipe(data), tmp_path, data, num_runs=16)
    assert set(differences) == {"train_loss", "train_accuracy", "test_loss", "test_accuracy"}
    assert max(differences.values()) < 1e-5
    chunk_id = next(iter(Store(tmp_path).read_index()))
    (rows,) = Store(tmp_path).read_rows([chunk_id])
    Store(tmp_path).chunk_path(chunk_id).unlink()
    Store(tmp_path).commit_chunk(chunk_id, rows.with_columns(test_loss=pl.col("test_loss") + 0.5))
    assert fn.verify(fn.mlp_recipe(data), tmp_path, data, num_runs=16)["test_loss"] > 0.4
    other = fn.load_dataset("iris", split_seed=1)
    with pytest.raises(fn.InputError, match="the data have changed"):
        fn.verify(fn.mlp_recipe(other), tmp_path, other)
