"""Searches with Optuna: against closed forms, means by hand, and what a study and a store say afterwards."""

import importlib
import math
import subprocess
import sys

import numpy as np
import optuna
import polars as pl
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from two_rates import NUM_STEPS, OPTIMUM, RATES, closed_form, quadratic, random_study, search

import fnnet as fn
import fnnet.search.optuna as interop
from fnnet import Choice, IntUniform, LogUniform, Uniform

# Distributions


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Uniform(-1, 2.5), FloatDistribution(-1.0, 2.5)),
        (LogUniform(1e-4, 3), FloatDistribution(1e-4, 3.0, log=True)),
        (IntUniform(-2, 7), IntDistribution(-2, 7)),
        (Choice(["relu", "tanh"]), CategoricalDistribution(["relu", "tanh"])),
        (Choice(np.array([64, 128])), CategoricalDistribution([64, 128])),
        (Choice([False, 0.5]), CategoricalDistribution([False, 0.5])),
        (Choice([(64,), (64, 32)]), CategoricalDistribution(["(64,)", "(64, 32)"])),
        # Python, and Optuna with it, takes True for 1.
        (Choice([1, True]), CategoricalDistribution(["1", "True"])),
        (Choice([(1, 2), "(1, 2)"]), CategoricalDistribution(["(1, 2)", "'(1, 2)'"])),
    ],
)
def test_distributions_are_translated(ours, theirs):
    translated = interop.translate("axis", ours)
    assert translated == theirs
    if isinstance(theirs, CategoricalDistribution):  # for which True equals 1
        assert list(map(type, translated.choices)) == list(map(type, theirs.choices))


def test_both_ends_of_integers_are_drawn():
    study = random_study()
    distributions = {"count": interop.translate("count", IntUniform(3, 5))}
    assert {study.ask(distributions).params["count"] for _ in range(40)} == {3, 4, 5}


def test_every_kind_of_value_reaches_the_recipe(calls):
    """Of a choice, the recipe gets the value itself, though the study holds texts."""
    got = []

    def recipe(curvatures, kind, count):
        got.append((curvatures, kind, count))
        return quadratic(curvatures)

    distributions = {
        **RATES,
        "curvatures": Choice([(2.0, 0.5), (1.0, 0.25)]),
        "kind": Choice([1, True]),
        "count": IntUniform(2, 3),
    }
    study = random_study(seed=3)
    results = search(study, distributions, recipe, num_trials=4, batch_size=4)
    assert {repr(type(kind)) for _, kind, _ in got} == {"<class 'int'>", "<class 'bool'>"}
    assert {(curvatures, count) for curvatures, _, count in got} >= {((2.0, 0.5), 2), ((1.0, 0.25), 2)}
    for trial, config, loss in zip(study.trials, results.space, results["test_loss"].tolist(), strict=True):
        assert trial.params["curvatures"] == repr(config["curvatures"])
        assert trial.params["kind"] == repr(config["kind"])
        assert type(config["count"]) is int and trial.params["count"] == config["count"]
        np.testing.assert_allclose(loss, closed_form(config, 1, curvatures=config["curvatures"]), rtol=1e-4)
    assert len({trial.params["curvatures"] for trial in study.trials}) == 2


# What is told


@pytest.mark.parametrize("is_kept", [False, True])
def test_told_values_are_means_over_seeds(is_kept, tmp_path, calls):
    study = random_study()
    store = tmp_path if is_kept else None
    results = search(study, num_trials=7, batch_size=3, num_seeds=2, store=store)
    # A batch is one sweep; in a store its space grows by the batch.
    assert calls == ([6, 12, 14] if is_kept else [6, 6, 2])
    table = results.table()
    assert table.height == 14
    assert [trial.number for trial in study.trials] == list(range(7))
    for trial in study.trials:
        # The very numbers that the study holds.
        is_trial = [pl.col(name) == value for name, value in trial.params.items()]
        losses = table.filter(is_trial)["test_loss"].to_list()
        assert len(losses) == 2 and losses[0] < losses[1]
        assert trial.value == sum(losses) / 2
        np.testing.assert_allclose(trial.value, closed_form(trial.params, 2), rtol=1e-4)
    first = table.filter(pl.col("seed") == 0)
    for name in RATES:
        assert first[name].to_list() == [trial.params[name] for trial in study.trials]


def test_equal_configurations_are_told_the_same(calls):
    study = random_study()
    distributions = {"first_rate": Choice([0.1, 0.2]), "second_rate": Choice([1.0])}
    results = search(study, distributions, num_trials=8, batch_size=4)
    table = results.table()
    assert calls[0] == table.height == 2
    loss_of = dict(zip(table["first_rate"].to_list(), table["test_loss"].to_list(), strict=True))
    assert len(study.trials) == 8 and len(set(loss_of.values())) == 2
    for trial in study.trials:
        assert trial.value == loss_of[trial.params["first_rate"]]


@pytest.mark.parametrize(
    ("metric", "direction", "worst"),
    [("test_loss", "minimize", math.inf), ("closeness", "maximize", -math.inf)],
)
def test_diverged_trials_are_told_the_worst_value(metric, direction, worst):
    sampler = optuna.samplers.TPESampler(n_startup_trials=2, seed=0)
    study = optuna.create_study(direction=direction, sampler=sampler)
    distributions = {"first_rate": Choice([0.4, 1e8]), "second_rate": Uniform(1, 3)}
    results = search(study, distributions, metric=metric, num_trials=12, batch_size=4, num_steps=20)
    diverged = [trial.value for trial in study.trials if trial.params["first_rate"] == 1e8]
    finite = [trial.value for trial in study.trials if trial.params["first_rate"] == 0.4]
    assert set(diverged) == {worst} and finite and np.isfinite(finite).all()
    assert results["diverged"].sum() == len(diverged)
    assert math.isfinite(study.best_value)


def test_results_without_a_store_are_those_of_a_plain_sweep():
    """The batches' rows, put together, are as if all had been trained at once."""
    results = search(random_study(), num_trials=5, eval_every=2)
    plain = fn.sweep(quadratic, results.space, None, num_steps=NUM_STEPS, eval_every=2, lanes=4)
    assert results.store is None
    assert list(results) == list(plain) and "step_curve" in results
    for name in set(plain) - {"seconds"}:
        assert results[name].dtype == plain[name].dtype
        np.testing.assert_array_equal(results[name], plain[name])


# Samplers


def sampler_of(name):
    if name == "TPE":
        return optuna.samplers.TPESampler(seed=0)
    if name == "CMA-ES":
        pytest.importorskip("cmaes")
        return optuna.samplers.CmaEsSampler(popsize=8, seed=0)
    pytest.importorskip("torch", reason="the Gaussian process of Optuna needs torch", exc_type=ImportError)
    return optuna.samplers.GPSampler(n_startup_trials=8, seed=0)


@pytest.mark.parametrize(("name", "num_trials"), [("TPE", 40), ("GP", 24), ("CMA-ES", 40)])
def test_samplers_find_the_optimum(name, num_trials):
    """The best is near the known optimum, and the last batch far better than random draws."""
    study = optuna.create_study(direction="minimize", sampler=sampler_of(name))
    distributions = {"first_rate": LogUniform(0.1, 1), "second_rate": Uniform(0.5, 3.5)}
    search(study, distributions, num_trials=num_trials, batch_size=8, num_steps=1)
    values = [trial.value for trial in study.trials]
    assert min(values[8:]) < min(values[:8])
    by_chance = random_study(seed=1)
    asked = {axis: interop.translate(axis, distribution) for axis, distribution in distributions.items()}
    drawn = [closed_form(by_chance.ask(asked).params, 1, num_steps=1) for _ in range(num_trials)]
    assert np.median(values[-8:]) < 0.5 * np.median(drawn)
    for axis, rate in OPTIMUM.items():
        assert abs(study.best_params[axis] - rate) < 0.25 * rate


@pytest.mark.slow
def test_search_matches_a_grid_on_iris():
    data = fn.load_dataset("iris")
    recipe = fn.mlp_recipe(data)
    settings = {"num_steps": 60, "lanes": 4}
    sampler = optuna.samplers.TPESampler(seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    results = interop.optimize(
        recipe,
        {"learning_rate": LogUniform(1e-4, 10)},
        data,
        study,
        metric="test_accuracy",
        num_trials=24,
        batch_size=8,
        **settings,
    )
    coarse = fn.grid(learning_rate=fn.logspace(1e-4, 10, 6), seed=0)
    accuracies = fn.sweep(recipe, coarse, data, **settings)["test_accuracy"]
    assert accuracies.min() < study.best_value  # so that there is something to find
    assert study.best_value >= accuracies.max()
    assert study.best_value == results.best("test_accuracy").interval.mean


# An extra


def test_optuna_is_named_when_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "fnnet.search.optuna")
    with pytest.raises(ImportError, match=r"pip install 'fnnet\[optuna\]'"):
        importlib.import_module("fnnet.search.optuna")


@pytest.mark.slow
def test_nothing_public_needs_optuna():
    code = "import sys, fnnet; [getattr(fnnet, name) for name in fnnet.__all__]; assert 'optuna' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
