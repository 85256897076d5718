"""Keep the parameters of each run's best evaluation instead of those after its last step.

Small networks train until they overfit, each at a step of its own. Prints the validation loss of the last evaluation and
of the best one, and the step of the best. What is kept, evaluated, ensembled and exported are the parameters of that step.
"""

import numpy as np

import fnnet as fn

data = fn.load_dataset("digits", validation_fraction=0.2)


def recipe(width: int) -> fn.Task:
    network = fn.mlp(data.num_features, [width], data.num_outputs)
    return fn.supervised(
        network, "cross_entropy", optimizer="adam", batch_size=32, keep_best="validation_loss"
    )


def main() -> None:
    space = fn.grid(width=[32, 128], learning_rate=[0.003, 0.01], seed=range(2))
    results = fn.sweep(recipe, space, data, num_steps=1000, eval_every=50, store="results/keep_best")
    columns = ["validation_loss", "best_validation_loss", "best_step"]
    print(results.table().select("width", "learning_rate", "seed", *columns))

    assert data.validation is not None  # for type checkers
    kept = fn.evaluate_results(recipe, results, data.validation, ["nll"])["nll"]
    np.testing.assert_allclose(kept, results["validation_loss_curve"].min(axis=1), rtol=1e-4)
    last = results["validation_loss"].mean()
    print(f"mean validation loss: {last:.4f} after the last step, {kept.mean():.4f} with the kept parameters")


if __name__ == "__main__":
    main()
