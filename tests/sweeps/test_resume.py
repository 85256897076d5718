"""What a store may go on from: nothing of another sweep, and nothing of its own is lost."""

import io
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

import fnnet as fn
from fnnet.records import planfile
from fnnet.records import store as stores
from fnnet.records.sealed import Sealed, seal
from fnnet.records.store import Store
from fnnet.sweeps import prepare as prepares

DATA = np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)
SPACE = fn.grid(learning_rate=[0.1, 0.2, 0.3], seed=range(2))


def recipe(gain=1.0, batches=None):
    """Fit `width` weights; cheap to compile."""

    def of(width=2):
        def loss(w, x):
            return gain * jnp.mean((x @ w - 1) ** 2)

        def init(key, hp, data):
            return {"w": jnp.float32(hp["seed"]) + jnp.ones((3, width))}

        def step(key, hp, state, batch):
            value, grad = jax.value_and_grad(loss)(state["w"], batch)
            return {"w": state["w"] - hp["learning_rate"] * grad}, {"loss": value}

        task = fn.Task(init, step, lambda hp, state, data: {"train_loss": loss(state["w"], data)})
        return task if batches is None else task._replace(batches=batches)

    return of


def sweep(folder, space=SPACE, data=DATA, make=recipe, **options):
    return fn.sweep(
        make(), space, data, **{"num_steps": 6, "eval_every": 2, "lanes": 1, "store": folder, **options}
    )


def table(results):
    return results.table(records=True).drop("seconds")


def weights(results):
    return [np.asarray(results.params(run)["w"]) for run in range(len(results.space))]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A finished sweep of 6 runs in 3 chunks, to be copied."""
    folder = tmp_path_factory.mktemp("reference") / "store"
    return folder, sweep(folder)


@pytest.fixture
def store(reference, tmp_path):
    return Store(shutil.copytree(reference[0], tmp_path / "store"))


def lose(plan):
    plan.unlink()


def flip(plan):
    content = bytearray(plan.read_bytes())
    content[len(content) // 2] ^= 1
    plan.write_bytes(content)


def put_a_folder(plan):
    plan.unlink()
    plan.mkdir()


@pytest.mark.parametrize("damage", [lose, flip, put_a_folder])
def test_without_its_plan_the_same_sweep_goes_on_and_another_is_refused(store, reference, damage):
    damage(store.plan_path)
    for other in (
        {"num_steps": 12},
        {"eval_every": 3},
        {"data": DATA + 1},
        {"make": lambda: recipe(gain=2.0)},
    ):
        with pytest.raises(fn.InputError, match="holds 6 of these runs from another sweep"):
            sweep(store.folder, **other)
    assert table(sweep(store.folder)).equals(table(reference[1]))


def test_rows_of_another_sweep_are_moved_aside_and_trained_again_when_that_is_accepted(store):
    store.plan_path.unlink()
    again = sweep(store.folder, num_steps=12, accept_fingerprint=True)
    assert (
        table(again)
        .drop("fingerprint")
        .equals(table(sweep(store.folder.parent / "new", num_steps=12)).drop("fingerprint"))
    )
    assert len(list((store.folder / "damaged").glob("*.parquet.*"))) == 3


def test_a_recipe_that_changes_while_other_static_values_are_swept_is_noticed(tmp_path):
    def part(*widths):
        return fn.grid(width=widths) * SPACE

    sweep(tmp_path, part(2))
    sweep(tmp_path, part(4), make=lambda: recipe(gain=2.0))  # nothing in common, so nothing to compare
    with pytest.raises(fn.InputError, match="recipe: it computes something other than before for width=2"):
        sweep(tmp_path, part(2, 4), make=lambda: recipe(gain=2.0))
    assert {tuple(group["static"].items()) for group in Store(tmp_path).read_plan()["groups"]} == {
        (("width", 2),),
        (("width", 4),),
    }


def test_batches_that_differ_after_the_first_step_are_another_program(tmp_path):
    def drawing(stride):
        def draw(seed, data, first, num):
            return jnp.stack([jnp.float32(first) + np.float32(k * stride) for k in range(num)])

        return fn.Batches(draw, lambda data, number: data + 0 * number)

    sweep(tmp_path, make=lambda: recipe(batches=drawing(1.0)))
    with pytest.raises(fn.InputError, match="recipe: it computes something other than before"):
        sweep(tmp_path, make=lambda: recipe(batches=drawing(2.0)))


def test_the_state_of_one_chunk_is_not_taken_for_that_of_another(reference, tmp_path, stop_at_evaluation):
    with pytest.raises(RuntimeError, match="stopped"):
        sweep(tmp_path, state_every=0.0, on_event=stop_at_evaluation(3)[0])
    (state,) = (tmp_path / "states").iterdir()
    for chunk in (reference[0] / "chunks").iterdir():
        shutil.copy(state, state.with_stem(chunk.stem)) if chunk.stem != state.stem else None
    assert table(sweep(tmp_path)).equals(table(reference[1]))


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_a_sweep_goes_on_with_another_number_of_devices(
    tmp_path, monkeypatch, stop_at_evaluation, before, after
):
    """The 4 runs under way fill one chunk of two devices, or two chunks of one."""
    space, options = fn.grid(learning_rate=[0.1, 0.2], seed=range(2)), {"lanes": 2, "state_every": 0.0}

    def devices(patch, number):
        mesh = jax.sharding.Mesh(np.asarray(jax.local_devices()[:number]), ("runs",))
        patch.setattr(prepares, "make_mesh", lambda: mesh)

    whole = sweep(tmp_path / "whole", space, **options)
    with monkeypatch.context() as patch:
        devices(patch, before)
        with pytest.raises(RuntimeError, match="stopped"):
            sweep(tmp_path / "cut", space, on_event=stop_at_evaluation(3)[0], **options)
    with monkeypatch.context() as patch:
        devices(patch, after)
        on_event, steps = stop_at_evaluation(99)
        resumed = sweep(tmp_path / "cut", space, on_event=on_event, **options)
    assert steps.count(2) == (0 if before == 2 else 1), "the runs that were under way go on from step 4"
    np.testing.assert_allclose(resumed["train_loss"], whole["train_loss"], rtol=1e-6)
    for one, other in zip(weights(resumed), weights(whole), strict=True):
        np.testing.assert_array_equal(one, other)


def test_parameters_are_kept_unless_they_are_many(reference, tmp_path, monkeypatch):
    assert len(weights(reference[1])) == 6
    monkeypatch.setattr(prepares, "MAX_PARAMS_BYTES", 6 * 3 * 2 * 4 - 1)
    results = sweep(tmp_path)
    with pytest.raises(
        fn.InputError, match="to train it again and keep them: the same sweep again with save_params=True"
    ):
        results.params(0)
    np.testing.assert_array_equal(weights(sweep(tmp_path, save_params=True)), weights(reference[1]))


def test_a_sweep_that_kept_no_parameters_keeps_none_until_it_is_told_to(reference, tmp_path):
    kept = sweep(tmp_path, save_params=False)
    assert table(sweep(tmp_path)).equals(table(kept)) and not list((tmp_path / "params").iterdir())
    again = sweep(tmp_path, save_params=True)
    assert len(list((tmp_path / "chunks").iterdir())) == 3
    np.testing.assert_array_equal(weights(again), weights(reference[1]))


def test_parameters_are_kept_also_where_chunks_are_cut_otherwise(reference, tmp_path):
    sweep(tmp_path, lanes=3, save_params=False)
    again = sweep(tmp_path, lanes=1, save_params=True, accept_fingerprint=True)
    np.testing.assert_allclose(weights(again), weights(reference[1]), rtol=1e-6)
    assert len(list((tmp_path / "chunks").iterdir())) == 3
    np.testing.assert_array_equal(weights(fn.open_results(tmp_path)), weights(again))


@pytest.mark.parametrize(
    ("search", "options"),
    [
        (fn.sweep, {"num_steps": 3}),
        (fn.successive_halving, {"rungs": [1, 3], "metric": "train_loss"}),
        (fn.hyperband, {"max_steps": 9, "min_steps": 3, "metric": "train_loss"}),
    ],
)
def test_parameters_need_a_store(search, options):
    with pytest.raises(fn.InputError, match="save_params=True keeps parameters in a store"):
        search(recipe(), SPACE, DATA, save_params=True, **options)


def delete(one, other):
    one.unlink()


def swap(one, other):
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def cut(one, other):
    one.write_bytes(one.read_bytes()[:-1])


def of_another_sweep(one, other):
    folder = one.parents[2] / "other"
    sweep(folder, eval_every=3)
    shutil.copy(folder / "params" / one.name, one)


@pytest.mark.parametrize("damage", [delete, swap, cut, of_another_sweep])
def test_parameters_that_are_lost_or_others_are_never_given_and_trained_again(store, reference, damage):
    damage(*sorted((store.folder / "params").iterdir())[:2])
    opened = fn.open_results(store.folder)
    lost = []
    for run in range(6):
        try:
            np.testing.assert_array_equal(opened.params(run)["w"], reference[1].params(run)["w"])
        except fn.InputError as error:
            assert "no parameters are kept of run" in str(error)
            lost.append(run)
    assert len(lost) == (4 if damage is swap else 2)
    again = sweep(store.folder)
    np.testing.assert_array_equal(weights(again), weights(reference[1]))
    assert table(again).equals(table(reference[1]))


def rewrite(store, change):
    plan = store.read_plan()
    plan = change(plan) or plan
    content = {"sha256": planfile._hash(plan), "plan": plan}
    store.plan_path.write_text(json.dumps(content))


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
def test_a_plan_of_any_other_form_is_refused_in_one_line(store, change):
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
    with pytest.raises(fn.InputError, match="no parameters are kept"):
        fn.open_results(store.folder).params(row)


def test_a_state_of_any_other_form_starts_its_chunk_over(reference, tmp_path, stop_at_evaluation):
    with pytest.raises(RuntimeError, match="stopped"):
        sweep(tmp_path, state_every=0.0, on_event=stop_at_evaluation(2)[0])
    (path,) = (tmp_path / "states").iterdir()
    about = Store(tmp_path).load_state(path.stem).about
    for arrays in ({}, {"progress/0": np.zeros((2, 7, 9))}):
        path.write_bytes(seal(about, arrays))
        assert isinstance(Store(tmp_path).load_state(path.stem), Sealed)
        assert table(sweep(tmp_path)).equals(table(reference[1]))
        shutil.rmtree(tmp_path / "chunks")


def test_a_plan_says_what_made_the_sweep(store):
    plan = store.read_plan()
    assert plan["recipe"]["name"].endswith("test_resume:recipe.<locals>.of")
    assert plan["recipe"]["file"] == __file__ and "def of(width=2)" in plan["recipe"]["source"]
    assert plan["data"]["kind"] == "arrays" and plan["options"]["lanes"] == 1
    assert plan["versions"]["jax"] == jax.__version__ and plan["versions"].keys() >= {
        "numpy",
        "optax",
        "flax",
    }
    created = plan["created"]
    sweep(store.folder)
    assert store.read_plan()["created"] == created
    with pytest.raises(fn.InputError, match="cannot be reloaded"):
        fn.verify(store=store.folder)
    with pytest.raises(fn.InputError, match="which only your own code knows"):
        fn.verify(data=DATA, store=store.folder)
    assert fn.verify(recipe(), store.folder, DATA, num_runs=99)["train_loss"] < 1e-6


def test_a_store_of_a_named_data_set_and_the_ready_made_recipe_is_verified_alone(tmp_path, capsys):
    from fnnet.cli import main as cli

    data = fn.load_dataset("iris", split_seed=3)
    space = fn.grid(depth=0, learning_rate=0.1, seed=range(2))
    fn.sweep(fn.mlp_recipe(data), space, data, num_steps=3, store=tmp_path)
    cli.main(["verify", str(tmp_path), "--runs", "9"])
    said = capsys.readouterr().out
    assert "trained all 2 runs again" in said and said.count("the same up to rounding") == 4
    store = Store(tmp_path)
    rewrite(store, lambda plan: plan["data"]["options"].update(split_seed=4))
    with pytest.raises(fn.InputError, match=r"the data changed since \(train\.?.?inputs differ"):
        fn.verify(store=tmp_path)
    with pytest.raises(SystemExit, match="2"):
        cli.main(["verify", str(tmp_path), "--runs", "0"])
    assert "--runs must be a positive integer, got 0" in capsys.readouterr().err
