"""Sweeps that keep the parameters of the best evaluations, against runs that are trained alone step by step."""

import chex
import jax
import numpy as np
import pytest
from test_best import make_plain_loop, overfitting_data

import fnnet as fn
from fnnet.sweeps import job

DATA = overfitting_data()
SPACE = fn.grid(width=[9], learning_rate=[0.01, 0.1], seed=range(4))


def recipe(width, keep_best="validation_loss"):
    network = fn.mlp(7, [width], 3, activation="tanh")
    return fn.supervised(network, "cross_entropy", optimizer="adam", batch_size=13, keep_best=keep_best)


def sweep(store=None, space=SPACE, **options):
    return fn.sweep(
        recipe, space, DATA, **{"num_steps": 50, "eval_every": 6, "store": store, "lanes": 2} | options
    )


def assert_same_bits(one, other):
    drop = ["seconds"]
    assert one.table(records=True).drop(drop).equals(other.table(records=True).drop(drop))
    for name in [name for name in one if name.endswith("_curve")]:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    for run in range(len(one)):
        chex.assert_trees_all_equal(one.params(run), other.params(run))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return sweep(tmp_path_factory.mktemp("whole") / "store")


def test_columns_say_where_the_curve_was_lowest(whole):
    curves = whole["validation_loss_curve"]
    best = np.argmin(curves, axis=1)
    assert len(set(best)) > 2 and min(best) < max(best), best
    np.testing.assert_array_equal(
        whole["best_step"], np.take_along_axis(whole["step_curve"], best[:, None], 1)[:, 0]
    )
    np.testing.assert_array_equal(whole["best_validation_loss"], curves.min(axis=1))
    np.testing.assert_array_equal(whole["validation_loss"], curves[:, -1])
    top = whole.top("best_validation_loss", 1)
    assert top["best_validation_loss"] == curves.min() and top.table()["best_step"].dtype.is_integer()


@pytest.mark.slow
@pytest.mark.parametrize(("metric", "sign"), [("validation_loss", 1), ("validation_accuracy", -1)])
@pytest.mark.parametrize("lanes", [1, 8])
def test_parameters_are_those_that_a_plain_loop_remembers(tmp_path, lanes, metric, sign):
    space = fn.grid(width=[9], keep_best=[metric], learning_rate=[0.01, 0.1], seed=range(5))
    results = sweep(tmp_path / "s", space, lanes=lanes)
    loop = make_plain_loop(
        recipe(9, None), DATA, 50, {*range(6, 50, 6), 50}, metric, lambda new, old: sign * new < sign * old
    )
    for run, config in enumerate(space):
        params, step, value = loop({"learning_rate": config["learning_rate"], "seed": config["seed"]})
        assert results["best_step"][run] == step
        np.testing.assert_allclose(results[f"best_{metric}"][run], value, rtol=1e-4)
        chex.assert_trees_all_close(results.params(run), params, rtol=1e-3, atol=1e-4)
    assert len(set(results["best_step"])) > 2
    assert results.top(f"best_{metric}", 1)[f"best_{metric}"] == sign * min(sign * results[f"best_{metric}"])


def test_evaluating_the_results_gives_the_metric_of_the_best_step(whole):
    found = fn.evaluate_results(recipe, whole, DATA.validation, ["nll"])
    np.testing.assert_allclose(found["nll"], whole["best_validation_loss"], rtol=1e-5)
    assert (found["nll"] < whole["validation_loss"] - 1e-3).any()


@pytest.mark.slow
def test_all_runs_are_verified(whole):
    differences = fn.verify(recipe, whole.store.folder, DATA, num_runs=len(whole))
    assert max(differences.values()) < 1e-3
    assert set(differences) >= {"best_validation_loss", "validation_loss", "test_accuracy"}


@pytest.mark.slow
def test_sweep_that_was_stopped_anywhere_resumes_to_the_same_bits(tmp_path, whole, stop_at_evaluation):
    for number in (2, 9, 14):
        folder = tmp_path / str(number)
        with pytest.raises(RuntimeError, match="stopped"):
            sweep(folder, state_every=0.0, on_event=stop_at_evaluation(number)[0])
        on_event, steps = stop_at_evaluation(99)
        assert_same_bits(sweep(folder, state_every=0.0, on_event=on_event), whole)
        assert len(steps) <= 2 * 9 - number + 1, "at most a segment is done again"


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 5, 50])
def test_where_segments_are_cut_changes_no_bit(tmp_path, whole, monkeypatch, length):
    monkeypatch.setattr(job, "segment_steps", lambda cost, program: length)
    assert_same_bits(sweep(tmp_path / "s"), whole)


@pytest.mark.slow
def test_halving_keeps_the_best_of_each_run_and_resumes(tmp_path, stop_at_evaluation):
    space = fn.grid(width=[9], learning_rate=fn.logspace(0.003, 0.3, 7), seed=range(2))
    rungs = (10, 20, 40)

    def search(name, **options):
        options = {"eval_every": 6, "lanes": 2, "state_every": 0.0, "save_params": True, **options}
        return fn.successive_halving(
            recipe,
            space,
            DATA,
            rungs=rungs,
            metric="validation_loss",
            factor=2,
            store=tmp_path / name,
            **options,
        )

    results = search("whole")
    assert set(results["rung"]) == {0, 1, 2}
    stops = {*range(6, 40, 6), *rungs}
    loop = make_plain_loop(recipe(9, None), DATA, 40, stops, "validation_loss", float.__lt__)
    for run in [int(np.flatnonzero(results["rung"] == rung)[-1]) for rung in range(3)]:
        config = results.space[run]
        hparams = {name: config[name] for name in ("learning_rate", "seed")}
        params, step, value = loop(hparams, int(results["steps"][run]))
        assert results["best_step"][run] == step
        np.testing.assert_allclose(results["best_validation_loss"][run], value, rtol=1e-4)
        chex.assert_trees_all_close(results.params(run), params, rtol=1e-3, atol=1e-4)
    differences = fn.verify(recipe, tmp_path / "whole", DATA, num_runs=len(space))
    assert max(differences.values()) < 1e-3
    for number in (3, 11, 16):
        with pytest.raises(RuntimeError, match="stopped"):
            search(str(number), on_event=stop_at_evaluation(number)[0])
        assert_same_bits(search(str(number)), results)


@pytest.mark.slow
def test_sweep_goes_on_to_more_steps_from_a_common_evaluation(tmp_path):
    space = fn.grid(width=[5], learning_rate=[0.1], seed=range(3))
    sweep(tmp_path / "grown", space, num_steps=18, keep_states=True)
    grown = sweep(tmp_path / "grown", space, num_steps=50)
    whole = sweep(tmp_path / "whole", space, num_steps=50)
    np.testing.assert_array_equal(grown["best_validation_loss_curve"], whole["best_validation_loss_curve"])
    for run in range(3):
        chex.assert_trees_all_equal(grown.params(run), whole.params(run))
    for options in ({"num_steps": 17}, {"eval_every": None}):
        with pytest.raises(fn.InputError, match="num_steps must be a multiple of eval_every"):
            sweep(tmp_path / "other", space, keep_states=True, **options)
    sweep(None, space, num_steps=17)


def test_tasks_that_do_not_react_compile_the_program_that_they_had():
    from fnnet.lanes.program import make_mesh, make_program

    hparams = {"learning_rate": np.full(4, 0.1, np.float32), "seed": np.arange(4, dtype=np.int32)}
    sizes = {}
    for metric in (None, "validation_loss"):
        program = make_program(recipe(5, metric), make_mesh(), 7)
        progress = program.begin(hparams, DATA)
        traced = program.measure.trace(hparams, progress, DATA)
        changed, measured = traced.out_info
        sizes[metric] = len(jax.tree.leaves(changed)), len(measured)
        assert any(each.donated for each in jax.tree.leaves(traced.args_info)) == (metric is not None)
    assert sizes[None] == (0, 6)
    assert sizes["validation_loss"] == (len(jax.tree.leaves(progress)), 8)
