"""Every example runs in an empty folder and prints what its docstring says, checked against what it stored."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors.numpy

import fnnet as fn

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def run(folder, *arguments):
    """Run Python in an empty folder; return what it printed."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def table_rows(printed):
    """Parse a table in Markdown: one dict per row."""
    lines = [line.strip("| ").split(" | ") for line in printed.splitlines() if line.startswith("| ")]
    return [dict(zip(lines[0], cells, strict=True)) for cells in lines[1:]]


def mean_of(cell):
    return float(cell.partition(" ±")[0])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short_and_documented(path):
    assert len(path.read_text().splitlines()) <= 60
    assert ast.get_docstring(ast.parse(path.read_text()))
    assert f"`{path.stem}`" in (ROOT / "README.md").read_text()


def check_first_sweep(printed, folder):
    """The best configuration is that of numpy's means, and the pictures are there."""
    results = fn.open_results(folder / "results/first_sweep")
    depths, rates = results["depth"].reshape(3, 6, 3), results["learning_rate"].reshape(3, 6, 3)
    values = results["validation_accuracy"].reshape(3, 6, 3)
    best = np.unravel_index(values.mean(axis=2).argmax(), (3, 6))
    assert f"{{'depth': {depths[best][0]}, 'learning_rate': {rates[best][0]:.6g}}}" in printed
    half = 4.302653 * values[best].std(ddof=1) / np.sqrt(3)  # Student's quantile for 2 degrees of freedom
    mean = values[best].mean()
    assert f"{mean:.3f} (95 % interval {mean - half:.3f} to {mean + half:.3f}, 3 seeds)" in printed
    assert f"test accuracy: {results['test_accuracy'].reshape(3, 6, 3)[best].mean():.3f}" in printed
    for name in ("heatmap", "curves"):
        assert (folder / f"results/first_sweep/{name}.png").read_bytes().startswith(b"\x89PNG")


def check_optimizers(printed, folder):
    """Each optimizer has the four combinations of schedule and warmup, and a rate of its own range."""
    ranges = {"sgd": (0.01, 1), "adam": (0.001, 0.1), "lion": (0.0001, 0.01)}
    rows = table_rows(printed)
    assert len({(row["optimizer"], row["schedule"], row["warmup_fraction"]) for row in rows}) == 12
    for row in rows:
        low, high = ranges[row["optimizer"]]
        assert low <= float(row["best learning_rate"]) <= high
        assert mean_of(row["validation_loss"]) < 0.5
        assert row["diverged at any learning_rate"].endswith(" of 15")
    best = min(rows, key=lambda row: mean_of(row["validation_loss"]))
    assert f"best: {{'optimizer': '{best['optimizer']}'" in printed


def check_equinox_mlp(printed, folder):
    """The rebuilt module is as accurate as the table says that its run was."""
    config, accuracy = re.search(r"test accuracy of (\{.*\}): (.*)", printed).groups()
    results = fn.open_results(folder / "results/equinox_mlp").where(**ast.literal_eval(config))
    assert len(results) == 1
    assert f"{results['test_accuracy'][0]:.4f}" == accuracy
    assert [row["width"] for row in table_rows(printed)] == ["16", "64"]


def check_flax_cnn(printed, folder):
    """Both dropout rates learn, and the interval is around the mean."""
    rows = table_rows(printed)
    assert [row["dropout"] for row in rows] == ["0.0", "0.3"]
    assert all(mean_of(row["validation_accuracy"]) > 0.9 for row in rows)
    numbers = re.search(r"test accuracy (.*) \(95 % interval (.*) to (.*), 3 seeds\)", printed).groups()
    mean, low, high = map(float, numbers)
    assert mean > 0.9 and low < mean < high


def check_ema(printed, folder):
    """The exported file holds the average that numpy computes in float64, step by step."""
    config, accuracy = re.search(r"(\{.*\}): test accuracy (.*)", printed).groups()
    config = ast.literal_eval(config)
    data = fn.load_dataset("digits", validation_fraction=0.2)
    rows = np.asarray(fn.make_batches(16).draw(0, data, 0, 400))
    layers = fn.mlp(64, [32], 10).init(jax.random.key(config["seed"]))
    params = [np.asarray(leaf, float) for layer in layers for leaf in (layer["w"], layer["b"])]
    average = params
    for some in rows:
        grads = gradients(params, data.train.inputs[some], data.train.targets[some])
        params = [p - config["learning_rate"] * g for p, g in zip(params, grads, strict=True)]
        decay = config["decay"]
        average = [decay * a + (1 - decay) * p for a, p in zip(average, params, strict=True)]
    arrays = safetensors.numpy.load_file(folder / "results/ema/best.safetensors")
    names = ["layers.0.w", "layers.0.b", "layers.1.w", "layers.1.b"]
    for name, expected in zip(names, average, strict=True):
        np.testing.assert_allclose(arrays[name], expected, atol=1e-5)
    hidden = np.maximum(data.test.inputs @ average[0] + average[1], 0)
    is_right = (hidden @ average[2] + average[3]).argmax(axis=1) == data.test.targets
    assert f"{is_right.mean():.4f}" == accuracy
    losses = {row["decay"]: mean_of(row["validation_loss"]) for row in table_rows(printed)}
    assert losses["0.98"] < losses["0.0"]


def gradients(params, inputs, classes):
    """Return the gradients of the mean cross-entropy of a network with one hidden layer, worked out by hand."""
    first, first_bias, last, last_bias = params
    z = inputs @ first + first_bias
    logits = np.maximum(z, 0) @ last + last_bias
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    d_logits = (probabilities - np.eye(10)[classes]) / len(classes)
    d_z = (d_logits @ last.T) * (z > 0)
    return [inputs.T @ d_z, d_z.sum(axis=0), np.maximum(z, 0).T @ d_logits, d_logits.sum(axis=0)]


def check_keep_best(printed, folder):
    """The loss of what was kept, by numpy, is the lowest of each curve, at the step that the table says."""
    results, data = (
        fn.open_results(folder / "results/keep_best"),
        fn.load_dataset("digits", validation_fraction=0.2),
    )
    inputs, classes = data.validation.inputs, data.validation.targets
    losses = []
    for run, curve in enumerate(results["validation_loss_curve"]):
        first, last = results.params(run)
        hidden = np.maximum(inputs @ first["w"] + first["b"], 0)
        logits = (hidden @ last["w"] + last["b"]).astype(float)
        losses.append(np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(classes)), classes]))
        np.testing.assert_allclose(losses[-1], min(curve), rtol=1e-4)
        assert results["best_step"][run] == results["step_curve"][run][np.argmin(curve)]
    mean = results["validation_loss"].mean()
    assert f"{mean:.4f} after the last step, {np.mean(losses):.4f} with the kept parameters" in printed
    assert np.mean(losses) < mean - 1e-3


def check_more_steps(printed, folder):
    """More steps lower the loss."""
    losses = [float(loss) for loss in re.findall(r"after \d+ steps: .* loss (.*)", printed)]
    assert len(losses) == 3 and losses == sorted(losses, reverse=True)


CHECKS = {
    name.removeprefix("check_"): check for name, check in globals().items() if name.startswith("check_")
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path in EXAMPLES if path.stem != "ppo_cartpole"], ids=lambda p: p.stem
)
def test_example_prints_what_it_says(path, tmp_path):
    printed = run(tmp_path, str(path))
    assert path.stem in CHECKS, f"write check_{path.stem}"
    CHECKS[path.stem](printed, tmp_path)


@pytest.mark.slow
def test_users_script_runs(tmp_path):
    """The one that type checkers read, so that types are those of what comes."""
    assert run(tmp_path, str(ROOT / "tests/typing/user_script.py")).endswith("(30, 3) (1,)\n")


@pytest.mark.slow
def test_ppo_trains_several_rates_in_one_program(tmp_path):
    """A short version; it takes minutes for the returns to rise."""
    pytest.importorskip("rejax", reason="pip install rejax 'gymnax<1'")
    code = f"import sys; sys.path.append({str(ROOT / 'examples')!r}); import ppo_cartpole; ppo_cartpole.main(16_384, 2, 2)"
    printed = run(tmp_path, "-c", code)
    returns = [float(number) for number in re.findall(r"learning rate .*: return (\S+) \(", printed)]
    assert len(returns) == 2 and all(8 <= number <= 500 for number in returns)
    best, number = re.search(r"best: \{'learning_rate': (.*)\}, return (\S+) in 2 runs", printed).groups()
    assert float(best) == [1e-4, 0.1][int(np.argmax(returns))]
    assert abs(float(number) - max(returns)) <= 0.5
