"""Pictures of what trains, against plain float64 numpy."""

import jax
import numpy as np
import pytest

import fnnet as fn
from fnnet.studies import trainability
from fnnet.studies.trainability import Picture

HORIZONS = (3, 30)


def train_in_numpy(w, v, x, y, input_rate, output_rate, num_steps, offset=0.0, reapplied=False):
    """Train `v tanh(sqrt(2 / n) x w) / n` by gradient descent; returns losses relative to the first."""
    n = len(w)
    w = w if reapplied else w + offset
    losses = []
    for _ in range(num_steps):
        if reapplied:
            w = w + offset
        h = np.tanh(np.sqrt(2) * x @ w / np.sqrt(n))
        error = h @ v / n - y
        losses.append(np.mean(error**2))
        slope = 2 * error / len(x) / n
        dw = np.sqrt(2 / n) * x.T @ (slope @ v.T * (1 - h**2))
        w, v = w - input_rate * dw, v - output_rate * h.T @ slope
    relative = np.array(losses) / losses[0]
    return np.minimum(np.where(np.isfinite(relative), relative, 1e6), 1e6)


def train_alone(network, data, num_steps=HORIZONS[-1], horizons=HORIZONS, **static):
    """Make the function that trains one pixel without a sweep; returns its metrics."""
    task = trainability.make_recipe(network, horizons)(**static)
    return jax.jit(lambda hparams: fn.train(task, hparams, data, num_steps=num_steps).metrics)


@pytest.fixture
def problem(x64):
    return trainability.make_problem(3, num_seeds=2)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("reapplied", [False, True])
def test_pixels_match_numpy(problem, reapplied):
    network, data = problem
    train = train_alone(network, data, reapplied=reapplied)
    w, v = (np.asarray(layer["w"]) for layer in network.init(jax.random.key(7)))
    fates = set()
    for input_rate, output_rate in [(0.3, 0.2), (5.0, 40.0), (1e5, 1e5)]:
        hparams = {"input_rate": input_rate, "output_rate": output_rate}
        hparams |= {"offset": 0.01, "seed": 7, "data_seed": 1}
        found = train(hparams)
        expected = train_in_numpy(
            w, v, data.inputs[1], data.targets[1], input_rate, output_rate, HORIZONS[-1], 0.01, reapplied
        )
        assert found["total"] == pytest.approx(expected.sum(), rel=1e-7)
        assert found["inverse"] == pytest.approx((1 / expected).sum(), rel=1e-7)
        for horizon in HORIZONS:
            last = expected[max(horizon - 20, 0) : horizon].mean()
            assert found[f"last_{horizon}"] == pytest.approx(last, rel=1e-7)
        fates.add(bool(found["last_30"] < 1))
    assert fates == {True, False}


@pytest.mark.slow
def test_linearized_network_has_a_quadratic_loss(problem):
    """Its error after a step is multiplied by 1 - 2 / n * kernel, so one step and the kernel give every loss."""
    network, data = problem
    params = network.init(jax.random.key(0))
    kernels = fn.analysis.tangent_kernel.tangent_kernels(network, params, data.inputs[0])
    n = len(data.inputs[0])
    rates = 0.7, 0.4
    kernel = sum(rate * np.reshape(layer["w"], (n, n)) for rate, layer in zip(rates, kernels, strict=True))
    outputs = jax.vmap(network.apply, (None, 0))(params, data.inputs[0])
    error = np.asarray(outputs)[:, 0] - data.targets[0][:, 0]
    losses = []
    for _ in range(10):
        losses.append(np.mean(error**2))
        error = error - 2 / n * kernel @ error
    train = train_alone(network, data, 10, [10], linear=True)
    found = train({"input_rate": rates[0], "output_rate": rates[1]})
    assert found["total"] == pytest.approx(np.sum(losses) / losses[0], rel=1e-9)


@pytest.mark.slow
def test_picture_lists_its_pixels_from_below(problem):
    network, data = problem
    extent = (0.0, 5.0, -1.0, 1.0)
    space = trainability.rate_grid(extent, 3, seed=2)
    picture = trainability.take_picture(network, data, space, extent, HORIZONS)
    train = train_alone(network, data)
    for row, output_rate in enumerate((0.1, 1.0, 10.0)):
        for column, input_rate in enumerate((1.0, 10**2.5, 1e5)):
            hparams = {"input_rate": input_rate, "output_rate": output_rate, "seed": 2}
            alone = train(hparams)
            converged = [alone["last_3"] < 1, alone["last_30"] < 1]
            assert picture.converged[:, row, column].tolist() == converged
            value = float(-alone["total"] if converged[1] else alone["inverse"])
            assert picture.value[row, column] == pytest.approx(value, rel=1e-6)
    assert 0 < picture.converged[1].mean() < 1
    with pytest.raises(fn.InputError, match="square number of pixels, got 8"):
        trainability.take_picture(network, data, space.take(range(8)), extent, HORIZONS)


def test_zoom_is_around_the_boundary_nearest_to_the_center():
    converged = np.ones((1, 5, 5), bool)
    converged[0, 4, 0] = converged[0, 1, 3] = False  # corners around the second are nearest: (2.5, 1.5)
    picture = Picture((10.0, 14.0, 20.0, 24.0), converged, np.zeros((5, 5)))
    assert trainability.zoom(picture, 0.5) == pytest.approx((12.25, 12.75, 21.25, 21.75))
    with pytest.raises(fn.InputError, match="must have a boundary"):
        trainability.zoom(picture._replace(converged=np.ones((1, 5, 5), bool)), 0.5)


def test_dimensions_are_estimated_at_every_horizon():
    rows, columns = np.mgrid[:64, :64]
    noise = np.random.default_rng(0).random((64, 64)) < 0.5
    picture = Picture((0, 1, 0, 1), np.stack([rows < columns, noise]), np.zeros((64, 64)))
    line, plane = picture.dimensions()
    assert line == pytest.approx(1, abs=0.1) and plane == pytest.approx(2, abs=0.05)
