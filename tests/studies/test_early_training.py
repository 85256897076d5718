"""Critical constants against plain loops over histories, and over gradient descent of tiny networks in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import fnnet as fn
from fnnet.studies.early_training import find_constants, measure_constants

CS = np.array([1.0, 2.0, 3.5, 6.0])


def constants_of_one(cs, initial, batch_losses, measured):
    """Find c_max, and of each measured quantity the first c that raises it, one c after the other."""
    largest = float("nan")
    for c, losses in zip(cs, batch_losses, strict=True):
        if not all(loss <= 1e5 for loss in losses):
            break
        largest = c
    found = [largest]
    for start, courses in zip(initial, measured, strict=True):
        critical = largest
        for c, course in zip(cs, courses, strict=True):
            if c <= largest and max(course) > start:
                critical = c
                break
        found.append(critical)
    return found


def test_constants_match_a_loop():
    rng = np.random.default_rng(0)
    shape = 30, 20  # networks
    batch_loss = 10 ** rng.uniform(-2, 5.05, (*shape, len(CS), 3))
    batch_loss[rng.random(batch_loss.shape) < 0.03] = np.nan
    loss, sharpness = rng.random((2, *shape, len(CS), 5))
    initial_loss, initial_sharpness = rng.uniform(0.6, 1.1, (2, *shape))
    found = find_constants(CS, initial_sharpness, initial_loss, batch_loss, loss, sharpness)
    for place in np.ndindex(shape):
        initial = initial_loss[place], initial_sharpness[place]
        measured = loss[place], sharpness[place]
        expected = constants_of_one(CS, initial, batch_loss[place], measured)
        np.testing.assert_array_equal(
            [found.c_max[place], found.c_loss[place], found.c_sharp[place]], expected
        )
    assert set(np.unique(found.c_max[~np.isnan(found.c_max)])) == set(CS) and np.isnan(found.c_max).any()
    np.testing.assert_array_equal(found.initial_sharpness, initial_sharpness)


def constants(batch_loss, loss, **options):
    """Find the constants of one network whose loss begins at 1, from a value for each c."""
    history = np.array(batch_loss, float)[:, None], np.array(loss, float)[:, None]
    return find_constants(CS, np.array(7.0), np.array(1.0), *history, **options)


def test_nothing_above_means_c_max():
    found = constants([1, 1, 1, 1], [1, 1, 1, 1])
    assert (found.c_loss, found.c_max, found.c_sharp) == (6.0, 6.0, None)
    found = constants([1, 1, 1e6, 1], [1, 1, 2, 2])
    assert (found.c_loss, found.c_max) == (2.0, 2.0)


def test_constants_are_nan_if_all_runs_diverge():
    for losses in ([np.inf, 1, 1, 1], [np.nan] * 4):
        found = constants(losses, [2, 2, 2, 2], sharpness=np.full((4, 1), 8.0))
        assert np.isnan([found.c_loss, found.c_sharp, found.c_max]).all()


def test_threshold_itself_is_no_divergence():
    assert constants([1, 1e5, 1.01e5, 1], [1, 1, 1, 1]).c_max == 2.0
    assert constants([1, 9, 10, 11], [1, 1, 1, 1], threshold=10.0).c_max == 3.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cs": np.array([1.0, 3.0, 2.0])}, r"cs must be positive and ascending.*got \[1.0, 3.0, 2.0\]"),
        ({"cs": np.array([0.0, 1.0, 2.0])}, "cs must be positive"),
        ({"cs": np.array([])}, "cs must be positive"),
        ({"initial_loss": np.ones(5)}, r"initial_loss must have .* \[2\], got \[5\]"),
        ({"batch_loss": np.ones((3, 2, 4))}, r"batch_loss must .* \[2, 3, times\], got \[3, 2, 4\]"),
        ({"loss": np.ones((2, 3, 0))}, r"loss must have the shape \[2, 3, times\], got \[2, 3, 0\]"),
        ({"sharpness": np.ones((2, 3))}, r"sharpness must have the shape \[2, 3, times\], got \[2, 3\]"),
    ],
)
def test_invalid_arguments_are_refused(changes, message):
    fitting = {
        "cs": np.array([1.0, 2.0, 3.0]),
        "initial_sharpness": np.ones(2),
        "initial_loss": np.ones(2),
        "batch_loss": np.ones((2, 3, 4)),
        "loss": np.ones((2, 3, 5)),
    }
    find_constants(**fitting)
    with pytest.raises(fn.InputError, match=message):
        find_constants(**{**fitting, **changes})


@pytest.mark.parametrize("target", [0.0, 20.0, 1e3])
def test_one_weight_is_critical_at_two(x64, target):
    """Each step multiplies its error by 1 - c; of six steps, the last one sees it multiplied five times."""
    data = fn.from_arrays(np.ones((4, 1)), np.full(4, target), test=(np.ones((1, 1)), np.zeros(1)))
    cs = np.array([1.5, 1.99, 2.01, 2.4, 2.8, 2.9, 3.1, 3.3, 3.7])

    def build():
        return fn.mlp(1, [], 1, use_bias=False)

    found = measure_constants(build, "quadratic", {"seed": range(3)}, data, cs, num_steps=6)
    np.testing.assert_allclose(found.initial_sharpness, 1, rtol=1e-12)
    for seed in range(3):
        error = build().init(jax.random.key(seed))[0]["w"].item() - target
        largest = [c for c in cs if max(error**2, (error * (1 - c) ** 5) ** 2) / 2 <= 1e5]
        expected = [2.01, largest[-1]] if largest else [np.nan, np.nan]
        np.testing.assert_array_equal([found.c_loss[seed], found.c_max[seed]], expected)


def descend(loss, start, rates, num_steps, num_measured):
    """Descend by hand with each rate; returns the batch's losses, and loss and sharpness after each step."""
    gradients = jax.jit(jax.vmap(jax.value_and_grad(lambda weights: loss(weights, None))))
    values = jax.jit(jax.vmap(lambda weights: loss(weights, num_measured)))
    hessians = jax.jit(jax.vmap(jax.hessian(lambda weights: loss(weights, num_measured))))
    batch_losses, losses, sharpnesses, weights = [], [], [], np.tile(start, (len(rates), 1))
    for _ in range(num_steps):
        batch_loss, gradient = gradients(weights)
        weights = weights - rates[:, None] * gradient
        batch_losses.append(batch_loss)
        losses.append(values(weights))
        sharpnesses.append(np.linalg.eigvalsh(hessians(weights))[:, -1])
    return (np.transpose(courses) for courses in (batch_losses, losses, sharpnesses))


@pytest.mark.slow
def test_constants_match_gradient_descent_in_numpy(x64):
    rng = np.random.default_rng(2)
    inputs, targets = rng.normal(size=(11, 3)), rng.normal(size=(11, 2))
    data = fn.from_arrays(inputs, targets, test=(inputs[:4], targets[:4]), split_seed=None)
    cs, num_measured = 2.0 ** np.arange(0.5, 7, 0.5), 6

    def build(width):
        return fn.mlp(3, [width], 2, "tanh", use_bias=False)

    axes, options = {"width": [5], "seed": range(4)}, {"num_steps": 7, "num_measured": num_measured}
    found = measure_constants(build, "half_mse", axes, data, cs, num_iterations=25, **options)
    assert found.c_sharp.shape == (1, 4)
    for i, width in enumerate(axes["width"]):
        for seed in axes["seed"]:
            start, restore = ravel_pytree(build(width).init(jax.random.key(seed)))

            def loss(weights, num_examples, restore=restore):
                first, last = (layer["w"] for layer in restore(weights))
                outputs = jnp.tanh(inputs[:num_examples] @ first) @ last
                return jnp.mean((outputs - targets[:num_examples]) ** 2) / 2

            sharpness = np.linalg.eigvalsh(jax.hessian(loss)(start, num_measured))[-1]
            batch_losses, *measured = descend(loss, start, cs / sharpness, 7, num_measured)
            initial = loss(start, num_measured), sharpness
            expected = constants_of_one(cs, initial, batch_losses, measured)
            place = i, seed
            assert found.initial_sharpness[place] == pytest.approx(sharpness, rel=1e-6)
            assert [found.c_max[place], found.c_loss[place], found.c_sharp[place]] == expected
    assert len(np.unique([found.c_loss, found.c_sharp, found.c_max])) > 3


@pytest.mark.slow
def test_sweeps_are_kept_and_sharpness_may_be_left_out(tmp_path):
    data = fn.load_dataset("iris")

    def build(depth):
        return fn.mlp(4, [3] * depth, 3, "tanh")

    cs = np.array([1.0, 2.0])
    options = {"num_steps": 2, "batch_size": 16, "num_iterations": 3, "with_sharpness": False}
    found = measure_constants(
        build, "half_mse", {"depth": [0, 1]}, data, cs, store=tmp_path / "kept", **options
    )
    assert found.c_sharp is None and found.c_max.shape == (2,)
    kept = {name: fn.open_results(tmp_path / "kept" / name) for name in ("start", "runs")}
    np.testing.assert_array_equal(kept["start"]["sharpness"], found.initial_sharpness)
    rates = kept["runs"].space.column("learning_rate").reshape(2, 2)
    np.testing.assert_allclose(rates * found.initial_sharpness[:, None], [cs, cs], rtol=1e-6)
    assert "loss_curve" in kept["runs"] and "sharpness_curve" not in kept["runs"]
