"""The catapult: with rates from 2 / lambda to 4 / lambda, training leaps from a sharp valley into a flat one.

Lewkowycz, Bahri, Dyer, Sohl-Dickstein & Gur-Ari (2020), "The large learning rate phase of deep learning: the
catapult mechanism". Their solvable model is the network f = v.u x / sqrt(n) with half the squared error on
one example, x = 1 and y = 0. Where f = 0, the curvature of its loss is the kernel lambda = (|u|^2 + |v|^2) /
n. A step of gradient descent with the rate r is exactly

    f'      = (1 - r lambda + r^2 f^2 / n) f
    lambda' = lambda + (r f^2 / n) (r lambda - 4).

In units c = r x initial lambda, c < 2 converges and hardly moves lambda, 2 < c < 4 first raises the loss
until lambda has fallen below 2 / r, and c > 4 diverges. Here n = 512, in float64, with u and v drawn from
N(0, 1).

Run `python experiments/catapult.py`, or with `--smoke` for fewer rates, seeds and steps.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import fnnet as fn
from claiming import Claim, at_most, in_every_run
from reporting import Findings, main


@dataclass(frozen=True)
class Config:
    """Settings of the experiment; rates are evenly spaced from c = 0 to 5, without the bounds 2 and 4."""

    width: int = 512
    num_rates: int = 50
    num_seeds: int = 10
    num_steps: int = 2000


SMOKE = Config(num_rates=10, num_seeds=2, num_steps=300)


class State(NamedTuple):
    """The weights of a run, its learning rate, and the output that it started with."""

    params: Any
    rate: Any
    first_output: Any


def catapult(width: int) -> fn.Task:
    """Build the task of training the model with a learning rate of c / (initial lambda)."""
    network = fn.mlp(
        1, [width], 1, "identity", use_bias=False, initializer="lecun_normal", parameterization="ntk"
    )

    def output(params: Any) -> jax.Array:
        return network.apply(params, jnp.ones(1))[0]

    def kernel(params: Any) -> Any:
        return sum(jnp.sum(layer["w"] ** 2) for layer in params) / width

    def loss(params: Any) -> jax.Array:
        return output(params) ** 2 / 2

    def init(key: jax.Array, hparams: fn.Hparams, data: None) -> State:
        params = network.init(key)
        return State(params, hparams["c"] / kernel(params), output(params))

    def step(key: jax.Array, hparams: fn.Hparams, state: State, batch: None) -> tuple[State, dict[str, Any]]:
        value, grads = jax.value_and_grad(loss)(state.params)
        params = jax.tree.map(lambda w, grad: w - state.rate * grad, state.params, grads)
        return state._replace(params=params), {"loss": value}

    def measure(hparams: fn.Hparams, state: State, data: None) -> dict[str, Any]:
        now = {"output": output(state.params), "kernel": kernel(state.params)}
        return {**now, "rate": state.rate, "first_output": state.first_output}

    return fn.Task(init, step, measure, params=lambda state: state.params)


class Paths(NamedTuple):
    """Output and kernel before and after each step, arrays `[1 + steps, cs, seeds]`."""

    outputs: np.ndarray
    kernels: np.ndarray


def iterate_map(output: np.ndarray, kernel: np.ndarray, rate: np.ndarray, config: Config) -> Paths:
    """Iterate the exact map from where the networks start."""
    outputs, kernels = [output], [kernel]
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(config.num_steps):
            kick = rate * output**2 / config.width
            output, kernel = (1 - rate * kernel + rate * kick) * output, kernel + kick * (rate * kernel - 4)
            outputs.append(output)
            kernels.append(kernel)
    return Paths(np.array(outputs), np.array(kernels))


def make_claims(cs: np.ndarray, rates: np.ndarray, trained: Paths, mapped: Paths) -> list[Claim]:
    with np.errstate(over="ignore", invalid="ignore"):
        loss = trained.outputs**2 / 2
        rises = np.diff(loss, axis=0) > 1e-20 * loss[0]  # less is rounding
    converges, is_flat = loss[-1] < 1e-6 * loss[0], rates * trained.kernels[-1] < 2
    apart = np.abs(trained.outputs - mapped.outputs)[:, converges]
    scale = np.maximum(np.abs(mapped.outputs), np.abs(mapped.outputs[0]))[:, converges]
    ratio = trained.kernels[:, converges] / mapped.kernels[:, converges]
    errors = {"output": np.max(apart / scale).item(), "lambda": np.max(np.abs(ratio - 1)).item()}

    lazy, leaping = cs < 2, (cs > 2) & (cs < 4)
    stays = {"never rise": ~rises.any(axis=0)[lazy], "converge": converges[lazy]}
    leaps = {"rise": (loss.max(axis=0) > loss[0])[leaping], "converge": converges[leaping]}
    leaps["end with rate x lambda < 2"] = is_flat[leaping]
    ends = "the loss rises above its initial value, every run converges, with rate x lambda < 2 at the end"
    steps = "the relative distance of converging runs from the map (|f| counts at least as at the start)"
    return [
        in_every_run("c < 2: no step raises the loss, and every run converges", stays, "lazy"),
        in_every_run(f"2 < c < 4: {ends}", leaps, "catapult"),
        in_every_run("c > 4: every run diverges", {"diverge": ~np.isfinite(loss[-1])[cs > 4]}, "divergent"),
        at_most(steps, 1e-10, errors, 0),
    ]


def measure(config: Config) -> Findings:
    spaced = np.linspace(0, 5, config.num_rates + 1)[1:]
    cs = spaced[~np.isin(spaced, (2, 4))]
    space, task = fn.grid(c=cs.tolist(), seed=range(config.num_seeds)), catapult(config.width)
    with jax.enable_x64(True):
        results = fn.sweep(lambda: task, space, None, num_steps=config.num_steps, eval_every=1)
    first, rates = (results.curves(name).isel(step=0).values for name in ("first_output", "rate"))
    mapped = iterate_map(first, cs[:, None] / rates, rates, config)
    after = (results.curves(name).transpose("step", ...).values for name in ("output", "kernel"))
    trained = Paths(*(np.concatenate([start[:1], path]) for start, path in zip(mapped, after, strict=True)))
    shown = [int(np.argmin(np.abs(cs - c))) for c in (0.5, 1.5, 2.5, 3.5, 4.5)]
    both, ends = np.array([trained, mapped])[:, :, :31, shown, 0], np.isfinite(trained.kernels[-1])
    outputs, kernels = both.transpose(1, 0, 3, 2)
    with np.errstate(over="ignore"):
        losses = outputs**2 / 2
    measured = {
        "shown": cs[shown],
        "loss": losses,
        "curvature": rates[shown, 0][:, None] * kernels,
        "c": np.broadcast_to(cs[:, None], ends.shape)[ends],
        "at_end": (rates * trained.kernels[-1])[ends],
    }
    return make_claims(cs, rates, trained, mapped), measured


if __name__ == "__main__":
    main(measure, SMOKE)
