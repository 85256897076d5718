"""Importance of axes: exact on grids, and as Optuna computes it elsewhere."""

import itertools

import numpy as np
import pytest

import fnnet as fn
from fnnet.report.page.columns import find_axes, find_metrics
from fnnet.report.page.importance import (
    _density,
    anova,
    find_importance,
    is_complete,
    ped_anova,
    rank_with_ties,
)
from fnnet.report.page.rows import find_seeds, rows_of_means, rows_of_runs


def decompose(codes, values):
    """Decompose by the definition: each effect is a mean over the other axes minus the effects of subsets."""
    names, sizes = list(codes), [column.max() + 1 for column in codes.values()]
    cell_means = np.zeros(sizes)
    for cell in itertools.product(*map(range, sizes)):
        inside = np.all([codes[name] == at for name, at in zip(names, cell, strict=True)], axis=0)
        cell_means[cell] = values[inside].mean()
    effects = {}
    for number in range(len(names) + 1):
        for subset in itertools.combinations(range(len(names)), number):
            others = tuple(each for each in range(len(names)) if each not in subset)
            mean = cell_means.mean(axis=others, keepdims=True)
            smaller = [effect for other, effect in effects.items() if set(other) < set(subset)]
            effects[subset] = mean - sum(smaller, start=np.zeros([1] * len(names)))
    per_cell, total = len(values) / cell_means.size, np.sum((values - values.mean()) ** 2)
    shares = {
        " x ".join(names[each] for each in subset): per_cell
        * np.sum(np.broadcast_to(effect, sizes) ** 2)
        / total
        for subset, effect in effects.items()
        if subset
    }
    return shares, 1 - sum(shares.values())


@pytest.mark.parametrize("num_seeds", [1, 4])
def test_decomposition_of_a_grid_matches_the_definition(num_seeds):
    sizes = {"depth": 2, "width": 3, "rate": 5}
    grid = np.indices([*sizes.values(), num_seeds]).reshape(4, -1)
    codes = dict(zip(sizes, grid, strict=False))
    rng = np.random.default_rng(0)
    order = rng.permutation(grid.shape[1])
    codes = {name: column[order] for name, column in codes.items()}
    values = rng.normal(size=len(order)) + codes["rate"] * (1 + codes["depth"])
    expected, rest = decompose(codes, values)
    shares = anova(codes, values)
    assert shares.pop("more than two axes") == pytest.approx(expected.pop("depth x width x rate"))
    assert shares.pop("seeds", 0) == pytest.approx(rest, abs=1e-12)
    assert shares == pytest.approx(expected)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_product_of_two_axes_is_an_effect_of_the_pair():
    first, second = (each.ravel() for each in np.indices([3, 5]))
    values = (first - 1.0) * (second - 2.0)
    shares = anova({"first": first, "second": second}, values)
    assert shares == pytest.approx({"first x second": 1, "first": 0, "second": 0})


def test_incomplete_and_unbalanced_grids_are_recognized():
    first, second = (each.ravel() for each in np.indices([2, 3]))
    assert is_complete({"first": first, "second": second})
    assert not is_complete({"first": first[1:], "second": second[1:]})
    assert not is_complete({"first": np.append(first, 0), "second": np.append(second, 0)})
    assert not is_complete({"first": np.array([0, -1]), "second": np.array([0, 0])})


def test_values_that_are_not_finite_are_ranked_worst():
    ranks = rank_with_ties(np.array([0.3, np.inf, 0.1, np.nan, 0.3]), higher_is_better=False)
    assert ranks.tolist() == [2.5, 0.5, 4, 0.5, 2.5]


def importance_of(space, values, metric="test_loss", view="runs"):
    results = fn.Results(space, {metric: values, "diverged": ~np.isfinite(values)})
    axes, metrics = find_axes(results), find_metrics(results)
    if view == "runs":
        return find_importance(rows_of_runs(results, axes, metrics), axes, metrics[0])
    rows = rows_of_means(results, axes, metrics, find_seeds(results))
    return find_importance(rows, [axis for axis in axes if axis.name != "seed"], metrics[0])


def test_method_says_what_was_decomposed():
    space = fn.grid(depth=[1, 2], learning_rate=[0.1, 0.3, 0.9], seed=range(2))
    values = np.linspace(1.0, 2.0, 12)
    assert "exact; values of test_loss" in importance_of(space, values).method
    assert "logarithms" in importance_of(space, 10.0 ** np.arange(12)).method
    assert "ranks" in importance_of(space, np.where(values < 1.1, np.nan, values)).method
    assert "PED-ANOVA" in importance_of(space.take(range(11)), values[:11]).method
    assert importance_of(fn.grid(seed=range(3)), np.arange(3.0)) is None
    assert importance_of(space, np.ones(12)) is None


def test_seeds_have_a_share_among_runs_and_none_among_means():
    space = fn.grid(depth=[1, 2], learning_rate=[0.1, 0.3, 0.9], seed=range(2))
    values = np.array([1.0, 1.2, 2, 2.2, 3, 3.2, 4, 4.2, 5, 5.2, 6, 6.2])
    of_runs, of_means = (importance_of(space, values, view=view) for view in ("runs", "means"))
    within = 12 * 0.1**2
    assert of_runs.shares["seeds"] == pytest.approx(within / np.sum((values - values.mean()) ** 2))
    assert "seeds" not in of_means.shares and sum(of_means.shares.values()) == pytest.approx(1)


def test_importance_of_numbers_matches_optuna():
    optuna = pytest.importorskip("optuna")
    from optuna.distributions import FloatDistribution, IntDistribution
    from optuna.importance import PedAnovaImportanceEvaluator

    rng = np.random.default_rng(1)
    rates, momenta = 10 ** rng.uniform(-3, 0, 200), rng.uniform(0, 0.9, 200)
    losses = np.abs(np.log10(rates) + 1.5) + 0.6 * momenta + 0.05 * rng.normal(size=200) + 1
    depths = rng.integers(1, 7, 200)
    # Optuna's grid reaches as far as its distributions do, fnnet's as far as the values.
    kinds = {
        "learning_rate": FloatDistribution(float(rates.min()), float(rates.max()), log=True),
        "momentum": FloatDistribution(float(momenta.min()), float(momenta.max())),
        "depth": IntDistribution(1, 6),
    }
    columns = {"learning_rate": rates.tolist(), "momentum": momenta.tolist(), "depth": depths.tolist()}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study()
    for config, loss in zip(zip(*columns.values(), strict=True), losses, strict=True):
        params = dict(zip(columns, config, strict=True))
        study.add_trial(optuna.create_trial(params=params, distributions=kinds, value=float(loss)))
    evaluated = PedAnovaImportanceEvaluator().evaluate(study)
    expected = {name: value / sum(evaluated.values()) for name, value in evaluated.items()}
    axes = find_axes(fn.Results(fn.zip_axes(**columns), {"test_loss": losses}))
    shares = ped_anova(axes, {axis.name: axis.codes for axis in axes}, losses, higher_is_better=False)
    assert shares == pytest.approx(expected)


def test_names_are_judged_by_their_frequencies():
    names = np.array(["relu"] * 10 + ["tanh"] * 30)
    axes = find_axes(fn.Results(fn.zip_axes(activation=names.tolist(), depth=list(range(40))), {}))
    codes = {axis.name: axis.codes for axis in axes}
    values = np.where(names == "relu", 1.0, 0.0) + np.arange(40) / 100  # the best four are relu
    shares = ped_anova(axes, codes, values, higher_is_better=True)
    every, good = np.array([10.5, 30.5]) / 41, np.array([4.5, 0.5]) / 5
    (depth,) = [each for each in axes if each.name == "depth"]
    ratio = shares["activation"] / shares["depth"]
    alone = ped_anova([depth], codes, values, higher_is_better=True)
    assert alone == {"depth": 1.0}
    divergence = np.sum(every * (good / every - 1) ** 2)
    assert divergence == pytest.approx(np.sum(good**2 / every) - 1)
    points = np.arange(40)
    assert ratio == pytest.approx(
        divergence / _divergence_of(_density(points, 40), _density(points[6:10], 40))
    )


def _divergence_of(every, good):
    return np.sum(good**2 / every) - 1


def test_axis_that_some_runs_lack_is_judged_among_the_others():
    space = fn.grid(optimizer="sgd", momentum=fn.linspace(0, 0.9, 30)) | fn.grid(
        optimizer="adam", b1=fn.linspace(0.8, 0.9, 40)
    )
    values = np.concatenate([np.linspace(0, 1, 30), np.full(40, 0.5)])
    shares = importance_of(space, values).shares
    assert set(shares) == {"optimizer", "momentum", "b1"} and sum(shares.values()) == pytest.approx(1)
    assert max(shares, key=shares.get) == "momentum"
