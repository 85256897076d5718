import inspect

import numpy as np
import pytest

import fnnet as fn
from fnnet.space import designs
from fnnet.space.designs import Choice, IntUniform, LogUniform, Uniform

DESIGNS = pytest.mark.parametrize("design", [designs.random_design, designs.sobol_design])
AXES = {
    "learning_rate": LogUniform(1e-4, 1),
    "momentum": Uniform(-0.5, 0.25),
    "depth": IntUniform(2, 5),
    "activation": Choice(["relu", "tanh", "sine"]),
}


@DESIGNS
def test_designs_are_reproducible_prefixes(design):
    large = list(design(100, seed=3, **AXES))
    for num_runs in (1, 2, 33, 64, 100):
        assert list(design(num_runs, seed=3, **AXES)) == large[:num_runs]
    assert list(design(100, seed=4, **AXES)) != large


@DESIGNS
def test_design_matches_its_distributions(design):
    num_runs = 1024
    space = design(num_runs, seed=1, **AXES)
    assert len(space) == num_runs
    rates, momenta = space.column("learning_rate"), space.column("momentum")
    # The standard error of a quantile of the uniform distribution is at most 1 / (2 * sqrt(1024)) = 0.016.
    for uniform in ((np.log10(rates) + 4) / 4, (momenta + 0.5) / 0.75):
        assert uniform.min() >= 0 and uniform.max() <= 1
        np.testing.assert_allclose(np.quantile(uniform, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.08)
    for name, values in (("depth", [2, 3, 4, 5]), ("activation", ["relu", "sine", "tanh"])):
        found, counts = np.unique(space.column(name), return_counts=True)
        assert found.tolist() == values
        np.testing.assert_allclose(counts / num_runs, 1 / len(values), atol=0.08)
    correlations = np.corrcoef([np.log(rates), momenta, space.column("depth")])
    np.testing.assert_allclose(correlations, np.eye(3), atol=0.2)
    assert rates.tolist() == [float(f"{rate:.6g}") for rate in rates]
    assert type(space[0]["depth"]) is int and type(space[0]["momentum"]) is float


def test_sobol_runs_fill_every_cell():
    space = designs.sobol_design(64, seed=5, a=Uniform(0, 1), b=Uniform(0, 1))
    cells = {(int(8 * config["a"]), int(8 * config["b"])) for config in space}
    assert len(cells) == 64


def test_random_axes_are_independent():
    alone = designs.random_design(9, seed=2, momentum=AXES["momentum"])
    together = designs.random_design(9, seed=2, **AXES)
    assert alone.column("momentum").tolist() == together.column("momentum").tolist()


@DESIGNS
def test_duplicates_are_removed(design):
    axes = {"flag": Choice([True, False]), "depth": IntUniform(1, 2)}
    space, smaller = design(50, seed=0, **axes), design(3, seed=0, **axes)
    assert len(space) == len(set(space.ids().tolist())) == 4
    assert list(smaller) == list(space)[: len(smaller)]


@DESIGNS
def test_rounding_stays_within_bounds(design):
    values = design(256, seed=0, x=Uniform(0.12345678, 0.12345679)).column("x")
    assert (values >= 0.12345678).all() and (values <= 0.12345679).all()


@DESIGNS
@pytest.mark.parametrize(
    ("num_runs", "seed", "axes", "message"),
    [
        (0, 0, AXES, "num_runs must be an integer from 1 .*, got 0"),
        (2.0, 0, AXES, "num_runs must be an integer .*, got 2.0"),
        (True, 0, AXES, "num_runs must be an integer .*, got True"),
        (2**31, 0, AXES, "num_runs must be an integer"),
        (2, -1, AXES, "seed must be an integer of at least 0, got -1"),
        (2, None, AXES, "seed must be an integer of at least 0, got None"),
        (2, 0, {}, "at least one axis"),
        (2, 0, {"depth": [1, 2]}, r"axis 'depth' needs Uniform, .* got \[1, 2\]"),
        (
            2,
            0,
            {"x": Uniform(1, 1)},
            r"axis 'x' needs finite numbers low < high, got Uniform\(low=1, high=1\)",
        ),
        (2, 0, {"x": Uniform(0, float("inf"))}, "axis 'x' needs finite"),
        (2, 0, {"x": Uniform(float("nan"), 1)}, "axis 'x' needs finite"),
        (2, 0, {"x": Uniform(-1e308, 1e308)}, "axis 'x' needs finite"),
        (2, 0, {"x": Uniform(0, 10**400)}, "axis 'x' needs finite"),
        (2, 0, {"x": Uniform("a", "b")}, "axis 'x' needs finite"),
        (2, 0, {"x": LogUniform(0, 1)}, "axis 'x' needs positive bounds"),
        (2, 0, {"x": LogUniform(2, 1)}, "axis 'x' needs finite numbers low < high"),
        (2, 0, {"x": IntUniform(2, 1)}, "axis 'x' needs 64-bit integers low < high"),
        (2, 0, {"x": IntUniform(0.5, 2)}, "axis 'x' needs 64-bit integers"),
        (2, 0, {"x": IntUniform(0, 2**63)}, "axis 'x' needs 64-bit integers"),
        (2, 0, {"x": IntUniform(-(2**62), 2**62)}, "fewer than"),
        (2, 0, {"x": Choice([])}, "axis 'x' is empty"),
        (2, 0, {"x": Choice([1, 1])}, "axis 'x' holds 1 twice"),
    ],
)
def test_impossible_designs_are_refused(design, num_runs, seed, axes, message):
    # What a user meets without the checker of annotations, which would stop some of these earlier.
    with pytest.raises(fn.InputError, match=message):
        inspect.unwrap(design)(num_runs, seed=seed, **axes)
