"""A task of one's own: training that keeps an exponential moving average (EMA) of the parameters.

`with_ema` wraps any task whose state has `params`. The average is what is measured and kept; its decay is one more axis,
where 0 is the plain task. Prints the validation loss of each decay at its best learning rate, exports the best run to
`results/ema/best.safetensors`, and reads the file back to print its test accuracy.
"""

from pathlib import Path
from typing import Any, NamedTuple

import optax

import fnnet as fn
from fnnet.evaluation.model import Model, predict
from fnnet.interop import safetensors

SIZES: dict[str, Any] = {"num_inputs": 64, "widths": [32], "num_outputs": 10}


class EMAState(NamedTuple):
    trained: Any
    average: Any


def with_ema(task: fn.Task) -> fn.Task:
    def init(key: Any, hparams: fn.Hparams, data: Any) -> EMAState:
        trained = task.init(key, hparams, data)
        return EMAState(trained, trained.params)

    def step(key: Any, hparams: fn.Hparams, state: EMAState, batch: Any) -> tuple[EMAState, Any]:
        trained, metrics = task.step(key, hparams, state.trained, batch)
        average = optax.incremental_update(trained.params, state.average, step_size=1 - hparams["decay"])
        return EMAState(trained, average), metrics

    def measure(hparams: fn.Hparams, state: EMAState, data: Any) -> Any:
        return task.measure(hparams, state.trained._replace(params=state.average), data)

    return task._replace(init=init, step=step, measure=measure, params=lambda state: state.average)


def recipe() -> fn.Task:
    return with_ema(fn.supervised(fn.mlp(**SIZES), "cross_entropy", optimizer="sgd", batch_size=16))


def main() -> None:
    data = fn.load_dataset("digits", validation_fraction=0.2)
    space = fn.grid(decay=[0.0, 0.9, 0.98], learning_rate=[0.2, 0.4, 0.6], seed=range(5))
    results = fn.sweep(recipe, space, data, num_steps=400, store="results/ema")
    print(fn.tables.best(results, "validation_loss", style="markdown"))

    best, path = results.top("validation_loss", 1), Path("results/ema/best.safetensors")
    model = Model(SIZES, best.params(0), "cross_entropy", data.preprocessing, data.class_names)
    path.unlink(missing_ok=True)  # of an earlier run
    safetensors.save(path, model)
    is_right = predict(safetensors.load(path), data.test.inputs).argmax(axis=1) == data.test.targets
    print(f"{best.space[0]}: test accuracy {is_right.mean():.4f}")


if __name__ == "__main__":
    main()
