"""What a store may go on from: nothing of another sweep, and nothing of its own is lost."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import weight_sweeps
from weight_sweeps import DATA, SPACE, recipe, rewrite, sweep, table, weights

import fnnet as fn
from fnnet.records.store import Store
from fnnet.sweeps import worker


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


def test_recipe_that_changes_while_other_static_values_are_swept_is_noticed(tmp_path):
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


def test_state_of_one_chunk_is_not_taken_for_that_of_another(reference, tmp_path, stop_at_evaluation):
    with pytest.raises(RuntimeError, match="stopped"):
        sweep(tmp_path, state_every=0.0, on_event=stop_at_evaluation(3)[0])
    (state,) = (tmp_path / "states").iterdir()
    for chunk in (reference[0] / "chunks").iterdir():
        shutil.copy(state, state.with_stem(chunk.stem)) if chunk.stem != state.stem else None
    assert table(sweep(tmp_path)).equals(table(reference[1]))


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_sweep_goes_on_with_another_number_of_devices(
    tmp_path, monkeypatch, stop_at_evaluation, before, after
):
    """The 4 runs under way fill one chunk of two devices, or two chunks of one."""
    space, options = fn.grid(learning_rate=[0.1, 0.2], seed=range(2)), {"lanes": 2, "state_every": 0.0}

    def devices(patch, number):
        mesh = jax.sharding.Mesh(np.asarray(jax.local_devices()[:number]), ("runs",))
        patch.setattr(worker, "make_mesh", lambda: mesh)

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


def test_plan_says_what_made_the_sweep(store):
    plan = store.read_plan()
    assert plan["recipe"]["name"].endswith("weight_sweeps:recipe.<locals>.of")
    assert plan["recipe"]["file"] == weight_sweeps.__file__ and "def of(width=2)" in plan["recipe"]["source"]
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


def test_store_of_a_named_data_set_and_the_ready_made_recipe_is_verified_alone(tmp_path, capsys):
    from fnnet.cli import main as cli

    data = fn.load_dataset("iris", split_seed=3)
    space = fn.grid(depth=0, learning_rate=0.1, seed=range(2))
    fn.sweep(fn.mlp_recipe(data), space, data, num_steps=3, store=tmp_path)
    cli.main(["verify", str(tmp_path), "--runs", "9"])
    said = capsys.readouterr().out
    assert "trained all 2 runs again" in said and said.count("the same up to rounding") == 4
    store = Store(tmp_path)
    rewrite(store, lambda plan: plan["data"]["options"].update(split_seed=4))
    with pytest.raises(fn.InputError, match=r"the data have changed \(train\.?.?inputs differ"):
        fn.verify(store=tmp_path)
    with pytest.raises(SystemExit, match="2"):
        cli.main(["verify", str(tmp_path), "--runs", "0"])
    assert "--runs must be a positive integer, got 0" in capsys.readouterr().err
