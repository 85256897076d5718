"""What a report holds: the numbers of the table, to the last bit, and what is said of them."""

import base64
import json
import re

import numpy as np
import polars as pl
import pytest
from scipy import stats

import fnnet as fn
from fnnet.errors import InputError
from fnnet.report.page.columns import choose_scale, find_axes, make_axis
from fnnet.report.page.content import collect_content
from fnnet.report.page.curves import collect_curves, find_envelope
from fnnet.report.page.rows import find_seeds
from fnnet.report.page.sentences import describe_diverged, describe_noise
from fnnet.report.page.spread import find_spread


@pytest.fixture
def results():
    """Three rates and two depths with four seeds each; the largest rate diverges in some or all of them."""
    rng = np.random.default_rng(0)
    space = fn.grid(depth=[2, 1], learning_rate=[0.1, 0.3, 0.9], seed=range(4))
    loss = rng.gamma(2.0, size=24).astype(np.float32)
    loss[[10, 20, 21, 22, 23]] = np.nan
    accuracy = rng.uniform(size=24)
    columns = {"test_loss": loss, "test_accuracy": accuracy, "diverged": np.isnan(loss)}
    steps = np.tile([10.0, 20.0, 30.0], (24, 1))
    curves = loss[:, None] * np.array([3.0, 2.0, 1.0])
    return fn.Results(space, {**columns, "step_curve": steps, "test_loss_curve": curves})


def decoded(array):
    kind = {"Int32": "<i4", "Float32": "<f4", "Float64": "<f8"}[array["type"]]
    return np.frombuffer(base64.b64decode(array["bytes"]), kind)


def test_runs_are_those_of_the_table(results):
    data, table = collect_content(results), results.table()
    view = data["views"]["runs"]
    for name in ("test_loss", "test_accuracy"):
        values = decoded(view["metrics"][name]["value"])
        assert values.dtype == table[name].to_numpy().dtype
        np.testing.assert_array_equal(values, table[name].to_numpy())
    for axis in data["axes"]:
        values = np.array(axis["values"])[decoded(view["codes"][axis["name"]])]
        np.testing.assert_array_equal(values, table[axis["name"]].to_numpy())
        assert axis["values"] == sorted(axis["values"])


def test_means_match_the_table_over_seeds(results):
    view, table = collect_content(results)["views"]["means"], results.table(over="seed")
    for name in ("test_loss", "test_accuracy"):
        for kind, column in (("value", name), ("low", f"{name}_low"), ("high", f"{name}_high")):
            np.testing.assert_array_equal(decoded(view["metrics"][name][kind]), table[column].to_numpy())
    assert decoded(view["num_runs"]).tolist() == table["num_runs"].to_list() == [4] * 6
    assert decoded(view["num_diverged"]).tolist() == table["num_diverged"].to_list() == [0, 0, 1, 0, 0, 4]
    assert "seed" not in view["codes"]


def test_quantiles_of_student_match_scipy(results):
    quantiles = decoded(collect_content(results)["student"])
    np.testing.assert_allclose(quantiles, stats.t.ppf(0.975, np.arange(1, 201)))


def test_without_seeds_there_are_no_means():
    results = fn.Results(fn.grid(depth=[1, 2]), {"test_loss": np.array([0.5, 0.25])})
    data = collect_content(results)
    assert (
        list(data["views"]) == ["runs"] and data["opens"]["view"] == "runs" and data["config_of_run"] is None
    )
    assert any("one run" in line for line in data["head"]["about"])


def test_conditional_axes_are_missing_where_runs_lack_them():
    space = fn.grid(optimizer="sgd", momentum=[0.9, 0.0]) | fn.grid(optimizer="adam", b1=0.9)
    data = collect_content(fn.Results(space, {"test_loss": np.array([0.3, 0.2, 0.1])}))
    codes = {name: decoded(column).tolist() for name, column in data["views"]["runs"]["codes"].items()}
    assert codes == {"optimizer": [0, 0, 1], "momentum": [1, 0, -1], "b1": [-1, -1, 0]}


def test_rung_of_a_search_is_drawn_as_an_axis_but_has_no_importance():
    space = fn.grid(learning_rate=[0.1, 0.3, 0.5], seed=range(2))
    columns = {"test_loss": np.arange(6.0), "rung": np.array([1, 1, 0, 0, 0, 0])}
    steps = np.array([30, 30, 10, 10, 10, 10])
    data = collect_content(fn.Results(space, {**columns, "steps": steps}))
    assert [axis["name"] for axis in data["axes"]] == ["learning_rate", "seed", "rung"]
    assert [name for name, _ in data["importance"]["runs"]["test_loss"]["shares"]] == [
        "learning_rate",
        "seeds",
    ]
    assert any(
        "Only the 2 runs trained to step 30" in line for line in data["head"]["best"]["test_loss"]["means"]
    )


def test_value_is_one_level_unless_there_are_very_many():
    axis = make_axis("rate", tuple(np.arange(40.0)[::-1]), np.repeat(np.arange(40), 3))
    assert len(axis.levels) == 10 and axis.levels[0] == "0 to 3"
    assert np.bincount(axis.level_of_value[axis.codes]).tolist() == [12] * 10
    few = make_axis("rate", (0.2, 0.1), np.array([0, 1, 1]))
    assert few.levels == ("0.1", "0.2") and few.level_of_value.tolist() == [0, 1]
    alike = make_axis("rate", (0.100001, 0.100002), np.array([0, 1]))
    assert alike.levels == ("0.100001", "0.100002")


@pytest.mark.parametrize("is_log", [False, True])
def test_scales_follow_how_values_were_drawn(is_log):
    for seed in range(20):
        drawn = np.random.default_rng(seed).uniform(0, 3, 60)
        assert choose_scale(10.0**drawn if is_log else drawn) == ("log" if is_log else "linear")


def test_envelopes_are_quantiles_of_finite_values():
    values = np.random.default_rng(0).normal(size=(13, 4))
    values[3, 1], values[5, 1], values[:, 2] = np.nan, np.inf, np.nan
    envelope = find_envelope(values)
    for step in (0, 1, 3):
        finite = values[np.isfinite(values[:, step]), step]
        expected = np.quantile(finite, [0.05, 0.25, 0.5, 0.75, 0.95])
        np.testing.assert_allclose(envelope[:, step], expected)
    assert np.isnan(envelope[:, 2]).all()


def test_curves_of_means_are_those_of_the_results(results):
    seeds = find_seeds(results)
    curves = collect_curves(results, seeds, results["test_accuracy"], True)
    expected = results.curves("test_loss", over="seed")
    for kind in ("mean", "low", "high"):
        values = getattr(curves.of_means["test_loss"], kind)
        np.testing.assert_array_equal(values, expected[kind].values.reshape(6, 3))
    assert curves.steps.tolist() == [10, 20, 30] and not curves.left_out


def test_too_many_curves_are_left_out_by_configuration_and_said_so(results):
    seeds = find_seeds(results)
    means = results.table(over="seed")["test_accuracy"].to_numpy()
    curves = collect_curves(results, seeds, results["test_accuracy"], True, max_points=3 * 2 * 8)
    assert curves.configs.tolist() == sorted([means.argmax(), means.argmin()])
    np.testing.assert_array_equal(curves.runs, np.flatnonzero(np.isin(seeds.config_of_run, curves.configs)))
    assert curves.left_out == ["Curves of 8 of 24 runs: the best, the worst, and others evenly in between."]
    np.testing.assert_array_equal(curves.envelope["test_loss"], find_envelope(results["test_loss_curve"]))


def test_search_opens_with_the_metric_that_it_ranked_by(tmp_path):
    data = fn.load_dataset("iris", validation_fraction=0.2)
    space = fn.grid(learning_rate=[0.01, 0.1, 0.3, 1.0], seed=range(2))
    options = {"rungs": [2, 4], "factor": 2, "metric": "validation_loss", "store": tmp_path}
    searched = fn.successive_halving(fn.mlp_recipe(data), space, data, **options)
    assert collect_content(searched)["opens"]["metric"] == "validation_loss"
    assert collect_content(searched, "test_loss")["opens"]["metric"] == "test_loss"
    (options,) = (text for name, text, _ in collect_content(searched)["facts"] if name == "options")
    assert "rungs [2, 4]" in options and "rank_by validation_loss" in options and "runs [" not in options


@pytest.mark.parametrize(
    ("losses", "said"), [([1.0, 2.0, 1.0, 2.0], "just as good"), ([1.0, 2.0, 1.5, 2.5], "0.5000 worse")]
)
def test_runner_up_may_be_just_as_good(losses, said):
    results = fn.Results(fn.grid(depth=[1, 2], seed=[0, 1]), {"test_loss": np.array(losses)})
    *_, last = collect_content(results)["head"]["best"]["test_loss"]["means"]
    assert last.startswith("The runner-up is") and said in last


def test_spread_matches_numpy(results):
    seeds = find_seeds(results)
    spread = find_spread(results["test_accuracy"], seeds)
    by_config = results["test_accuracy"].reshape(6, 4)
    np.testing.assert_allclose(spread.deviations, by_config.std(axis=1, ddof=1))
    assert spread.within == pytest.approx(np.sqrt(by_config.var(axis=1, ddof=1).mean()))
    assert spread.between == pytest.approx(by_config.mean(axis=1).std(ddof=1))
    lossy = find_spread(results["test_loss"], seeds)
    assert np.isnan(lossy.deviations).tolist() == [False, False, True, False, False, True]
    assert lossy.num_configs == 4


def test_least_difference_beyond_noise_matches_a_pooled_t_test():
    text = describe_noise("loss", 0.3, 1.0, num_configs=5, num_runs=4)
    least = stats.t.ppf(0.975, 15) * 0.3 * np.sqrt(2 / 4)
    assert f"{least:.4g}" in text


@pytest.mark.parametrize(
    ("diverged", "said"),
    [
        ([0, 0, 0, 0, 0, 0], "None of 6 runs diverged."),
        ([1, 1, 1, 1, 1, 1], "All 6 runs diverged."),
        ([0, 0, 1, 0, 0, 1], "2 of 6 runs diverged: those with rate >= 0.9, and no others."),
        ([1, 0, 0, 1, 0, 0], "2 of 6 runs diverged: those with rate <= 0.1, and no others."),
        ([0, 0, 0, 1, 1, 0], "2 of 6 runs diverged, all of them with name b; of those, 2 of 3 did."),
        ([0, 0, 0, 0, 1, 0], "1 of 6 runs diverged, one of the 3 with name b."),
        ([1, 0, 1, 1, 0, 0], "3 of 6 runs diverged, at values of every axis."),
    ],
)
def test_diverged_runs_are_located(diverged, said):
    results = fn.Results(
        fn.grid(name=["a", "b"], rate=[0.1, 0.3, 0.9]), {"diverged": np.array(diverged, bool)}
    )
    assert describe_diverged(results, find_axes(results)) == said


def test_page_asks_for_nothing_and_ends_no_script(results):
    hostile = "</script><img src=x onerror=alert(1)>"
    space = fn.grid(**{hostile: [hostile, "b"]}, depth=[1, 2])
    page = fn.Results(space, {hostile[:20]: np.arange(4.0)}).report()
    assert hostile not in page.html and page.html.count("</script>") == 4
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page.html)[1]
    assert "default-src 'none'" in policy and "unsafe-eval" not in policy
    content = re.search(r'id="report-data">(.*?)</script>', page.html, flags=re.DOTALL)[1]
    assert json.loads(content)["axes"][0]["values"] == [hostile, "b"]
    assert "<script" not in page._repr_html_()


def test_report_of_a_store_says_how_it_was_made(tmp_path):
    data = fn.load_dataset("iris")
    space = fn.grid(depth=0, learning_rate=[0.1, 0.2], seed=range(2))
    results = fn.sweep(fn.mlp_recipe(data), space, data, num_steps=4, store=tmp_path / "iris")
    facts = dict(fact[:2] for fact in collect_content(results)["facts"])
    assert "mlp_recipe" in facts["recipe"] and "iris" in facts["data"] and "jax" in facts["versions"]
    (name,) = pl.Series(results["fingerprint"]).unique()
    assert facts["fingerprints"] == f"{name} (4 runs)" and "num_steps 4" in facts["options"]
    part = collect_content(results.where(seed=0))
    assert part["head"]["about"][0].startswith("2 of 4 runs are finished")


def test_report_refuses_what_it_cannot_show(results):
    with pytest.raises(InputError, match="at least one finished run"):
        fn.Results(results.space.take([]), {}).report()
    with pytest.raises(InputError, match=r"test_acuracy.*test_accuracy"):
        results.report("test_acuracy")


def test_integers_that_javascript_cannot_hold_are_text():
    space = fn.grid(key=[2**60, 2**60 + 1, 7], norm=[1.0, 2.0])
    axes = {
        axis["name"]: axis for axis in collect_content(fn.Results(space, {"test_loss": np.ones(6)}))["axes"]
    }
    assert axes["key"]["values"] == [7, str(2**60), str(2**60 + 1)] and axes["key"]["numeric"]


def test_more_runs_than_a_page_holds_are_left_out_and_said_so(results):
    content, whole = collect_content(results, max_runs=8), collect_content(results)
    means = results.table(over="seed")["test_accuracy"].to_numpy()
    held = decoded(content["views"]["means"]["metrics"]["test_accuracy"]["value"])
    assert sorted(held) == [means.min(), means.max()]
    assert content["head"]["about"][0].startswith("The panels hold 8 of 24 runs: the best, the worst")
    assert content["importance"] == whole["importance"] and content["head"]["best"] == whole["head"]["best"]
    assert len(decoded(content["config_of_run"])) == 8
