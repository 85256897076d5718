import functools
import itertools
import re
import time
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest
from scipy import stats

import fnnet as fn
from fnnet.records.results import collect
from fnnet.records.statistics import rank
from fnnet.records.store import Store
from fnnet.sweeps import execution as execute

VALUES = np.array([0.8, 0.9, 0.7, 0.95, 0.97, 0.93, 0.2, 0.1, 0.0])


@pytest.fixture
def results():
    space = fn.grid(depth=[1], learning_rate=[0.1, 0.3, 0.9], seed=range(3))
    return fn.Results(
        space, {"test_accuracy": VALUES, "test_loss": -VALUES, "diverged": VALUES < 0.15}, history={}
    )


def test_means_and_intervals_are_scipy_s(results):
    means = results.over("seed").mean_ci("test_accuracy")
    for place, values in enumerate(VALUES.reshape(3, 3)):
        low, high = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
        np.testing.assert_allclose(
            [means.mean[place], means.low[place], means.high[place]], [values.mean(), low, high]
        )
    assert means.num_runs.tolist() == [3, 3, 3] and means.num_diverged.tolist() == [0, 0, 2]


def test_over_several_axes(results):
    assert results.over("seed", "learning_rate").mean_ci("test_accuracy").mean == pytest.approx(
        [VALUES.mean()]
    )
    assert results.over("learning_rate").axes == ("depth", "seed")
    assert results.over("seed").configs[2] == {"depth": 1, "learning_rate": 0.9}


def test_one_run_has_no_interval():
    results = fn.Results(fn.grid(seed=[3]), {"loss": np.array([2.0]), "diverged": np.array([False])}, {})
    means = results.over("seed").mean_ci("loss")
    assert means.mean == [2.0] and np.isnan(means.low) and np.isnan(means.high)


@pytest.mark.parametrize("metric", ["test_accuracy", "test_loss"])
def test_best_names_the_runner_up_s_distance(results, metric):
    best = results.best(metric)
    assert best.config == {"depth": 1, "learning_rate": 0.3}
    assert best.gap == pytest.approx(0.15)
    expected = stats.ttest_ind(VALUES[3:6], VALUES[:3], equal_var=False).pvalue
    assert best.p_value == pytest.approx(expected) and best.beyond_noise == (expected < 0.05)
    assert best.low < best.mean < best.high and best.num_runs == 3 and best.num_diverged == 0


def test_nan_is_never_the_best():
    values = np.array([np.nan, 3.0, 2.0])
    assert rank(values, "test_loss").tolist() == [2, 1, 0]
    assert rank(values, "test_accuracy").tolist() == [1, 2, 0]
    with pytest.raises(fn.InputError, match="all runs diverged"):
        fn.Results(fn.grid(seed=[0]), {"loss": np.array([np.nan]), "diverged": np.array([True])}, {}).best(
            "loss"
        )


def test_maximize_wins_over_the_name(results):
    worst = results.best("test_accuracy", maximize=False)
    assert worst.config == {"depth": 1, "learning_rate": 0.9} and worst.gap == pytest.approx(0.7)
    assert rank(VALUES, "test_accuracy", maximize=False).tolist() == np.argsort(VALUES).tolist()
    values = np.array([3.0, np.nan, 7.0, 5.0])
    assert rank(values, "sharpness", maximize=True).tolist() == [2, 3, 0, 1]
    assert rank(values, "sharpness", maximize=False).tolist() == [0, 3, 2, 1]
    with pytest.raises(fn.InputError, match=r"metric to rank by 'seconds'.*maximize=True or maximize=False"):
        rank(values, "seconds")


def test_an_infinite_runner_up_is_worse_without_a_test():
    values = np.array([2.0, 2.0, np.inf, np.inf])
    results = fn.Results(fn.grid(depth=[1, 2], seed=[0, 1]), {"loss": values, "diverged": values > 9}, {})
    best = results.best("loss")
    assert best.config == {"depth": 1} and best.gap == np.inf and np.isnan(best.p_value)


def test_a_group_that_does_not_vary_is_compared_in_silence():
    values = np.array([0.5, 0.5, 0.5, 0.4, 0.42, 0.41])
    space = fn.grid(depth=[1, 2], seed=range(3))
    best = fn.Results(space, {"test_accuracy": values, "diverged": values > 9}, {}).best("test_accuracy")
    standard_error = np.std(values[3:], ddof=1) / np.sqrt(
        3
    )  # the other group's is 0, its freedom all that counts
    assert best.p_value == pytest.approx(2 * stats.t.sf((0.5 - 0.41) / standard_error, df=2))


def test_unknown_names_are_refused(results):
    with pytest.raises(fn.InputError, match="did you mean 'test_accuracy'"):
        results.best("test_acuracy")
    with pytest.raises(fn.InputError, match="did you mean 'seed'"):
        results.over("seeds")
    with pytest.raises(fn.InputError, match=r"metric to rank by 'seconds'"):
        rank(np.zeros(2), "seconds")
    for over in ("seeds", ["depth", "learning_rat"]):
        with pytest.raises(fn.InputError, match=r"unknown axis '.*'; did you mean '(seed|learning_rate)'"):
            results.best("test_accuracy", over=over)
    alone = results.where(seed=0)
    assert alone.best("test_accuracy").config == {"depth": 1, "learning_rate": 0.3}
    no_seeds = fn.Results(
        fn.grid(depth=[1, 2]), {"loss": np.array([2.0, 1.0]), "diverged": np.zeros(2, bool)}, {}
    )
    assert no_seeds.best("loss").config == {"depth": 2}, "a sweep need not have seeds"


def measured(space, steps):
    """Give results whose curves say which run and which step they are of."""
    points = np.array([[number_of(config) + step for step in steps] for config in space])
    return fn.Results(space, {}, {"step": np.tile(steps, (len(space), 1)), "test_loss": points})


def number_of(config):
    """Make a number of a configuration that is no other configuration's."""
    return float(zlib.crc32(repr(sorted(config.items())).encode()))


GRID = fn.grid(depth=[2, 1], learning_rate=[0.3], momentum=[0.5, 0, 0.9], seed=range(5))


def test_curves_of_a_grid_have_its_axes_in_any_order_of_runs():
    steps = [10, 20, 30, 35]
    order = np.random.default_rng(0).permutation(len(GRID))
    space = fn.union(*(GRID.take([row]) for row in order))
    curves = measured(space, steps).curves("test_loss")
    assert list(curves.coordinates) == ["depth", "learning_rate", "momentum", "seed", "step"]
    assert curves.values.shape == (2, 1, 3, 5, 4) and curves.coordinates["step"] == (10, 20, 30, 35)
    for place in np.ndindex(curves.values.shape):
        point = {name: values[i] for i, (name, values) in zip(place, curves.coordinates.items(), strict=True)}
        step = point.pop("step")
        assert curves.values[place] == number_of(point) + step


@pytest.mark.parametrize(
    "space",
    [
        GRID.take(range(len(GRID) - 1)),
        GRID.take([0, 0]),
        fn.grid(depth=[1, 2], seed=[0, 1]).take([0, 1, 2, 0]),
        fn.zip_axes(depth=[1, 2], seed=[3, 4]),
        fn.grid(depth=[1, 2]) | fn.grid(seed=[3, 4]),
        fn.grid(depth=[1, 2], step=[5, 6]),
    ],
)
def test_curves_of_other_runs_have_one_axis_of_runs(space):
    results = measured(space, [3, 6, 7])
    curves = results.curves("test_loss")
    assert curves.coordinates == {"run": tuple(range(len(space))), "step": (3, 6, 7)}
    np.testing.assert_array_equal(curves.values, results.history["test_loss"])


def test_an_axis_that_no_run_has_is_none_of_the_array():
    space = (fn.grid(optimizer="sgd") | fn.grid(optimizer="adam", beta=[0.9, 0.99])) * fn.grid(seed=range(3))
    results = measured(space, [3, 6])
    assert list(results.curves("test_loss").coordinates) == ["run", "step"]
    assert results.where(optimizer="sgd").curves("test_loss").values.shape == (1, 3, 2)
    assert list(results.where(optimizer="adam").curves("test_loss").coordinates) == [
        "optimizer",
        "beta",
        "seed",
        "step",
    ]


def test_runs_measured_at_other_steps_have_gaps():
    """Three chunks: two lengths of training, and one that measured nothing of the kind."""
    space = fn.grid(depth=[1, 2, 3])
    points = {0: {10: 1.0, 20: 2.0, 30: 3.0}, 1: {10: 4.0, 15: 5.0}, 2: {}}
    parts = [
        pl.DataFrame(
            {
                "id": space.ids()[[run]],
                "step_curve": [list(curve) or [10]],
                **({"test_loss_curve": [list(curve.values())]} if curve else {}),
            }
        )
        for run, curve in points.items()
    ]
    results = collect(space, parts[::-1])
    np.testing.assert_array_equal(
        results.history["step"], [[10, 20, 30], [10, 15, np.nan], [10, np.nan, np.nan]]
    )
    curves = results.curves("test_loss")
    assert curves.coordinates == {"depth": (1, 2, 3), "step": (10, 15, 20, 30)}
    for run, curve in points.items():
        for place, step in enumerate(curves.coordinates["step"]):
            np.testing.assert_equal(curves.values[run, place], curve.get(step, np.nan))


def test_where_keeps_the_runs_that_a_loop_finds(results):
    space = GRID | fn.grid(optimizer="adam", widths=[(3,), (4, 5)], flag=[True])
    results = measured(space, [1, 2])
    results.columns["place"] = np.arange(len(space))

    def places(**values):
        kept = results.where(**values)
        assert list(kept.space) == [space[place] for place in kept.columns["place"]]
        np.testing.assert_array_equal(
            kept.history["test_loss"], results.history["test_loss"][kept.columns["place"]]
        )
        return kept.columns["place"].tolist()

    assert places() == list(range(len(space)))
    for depth, momenta in ((1, [0.9, 0]), (2.0, np.array([0.5]))):
        expected = [
            place
            for place, config in enumerate(space)
            if config.get("depth") == depth and config.get("momentum") in list(momenta)
        ]
        assert len(expected) and places(depth=depth, momentum=momenta) == expected
    assert places(widths=(4, 5)) == places(widths=[(4, 5)]) == [len(space) - 1]
    assert places(optimizer="adam", flag=True) == [len(space) - 2, len(space) - 1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dept": 1}, "unknown axis 'dept'; did you mean 'depth'"),
        ({"momentum": 0.8}, "no run has momentum=0.8; the nearest is 0.9"),
        ({"momentum": [0.5, 0.1]}, "no run has momentum=0.1; the nearest is 0$"),
        ({"seed": "0"}, r"no run has seed='0'; its values are \(0, 1, 2"),
        ({"seed": []}, "axis 'seed' is empty"),
        ({"optimizer": "adma"}, "unknown value of axis 'optimizer' 'adma'; did you mean 'adam'"),
        ({"optimizer": "adam", "seed": 3}, "no run has optimizer='adam', seed=3 together"),
        ({"depth": True}, r"no run has depth=True; its values are \(2, 1\)"),
    ],
)
def test_where_refuses_what_no_run_has(values, message):
    results = measured(GRID | fn.grid(optimizer=["adam", "sgd"]), [1])
    with pytest.raises(fn.InputError, match=message):
        results.where(**values)


OPTIONS = {"num_steps": 20, "eval_every": 6}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A sweep of two shapes in chunks that mix rates and seeds, with its parameters."""
    data = fn.load_dataset("iris")
    space = fn.grid(depth=[0, 2], learning_rate=[0.05, 0.1, 0.2], seed=range(5))
    folder = tmp_path_factory.mktemp("trained")
    results = fn.sweep(fn.mlp_recipe(data), space, data, store=folder, lanes=4, save_params=True, **OPTIONS)
    return data, results


@functools.cache
def trainer(depth):
    task = fn.mlp_recipe(fn.load_dataset("iris"))(depth=depth)
    return jax.jit(lambda hparams, data: fn.train(task, hparams, data, **OPTIONS))


def alone(data, depth, **hparams):
    return trainer(depth)(hparams, data)


def assert_close(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    jax.tree.map(lambda left, right: np.testing.assert_allclose(left, right, atol=1e-5), one, other)


@pytest.mark.slow
def test_curves_are_those_of_a_run_alone(trained):
    data, results = trained
    curves = results.curves("test_loss")
    assert curves.values.shape == (2, 3, 5, 4) and curves.coordinates["step"] == (6, 12, 18, 20)
    for i, j, k in ((0, 2, 4), (1, 0, 3), (1, 2, 0)):
        depth, rate, seed = (
            curves.coordinates[name][place]
            for name, place in {"depth": i, "learning_rate": j, "seed": k}.items()
        )
        expected = alone(data, depth, learning_rate=rate, seed=seed).curves["test_loss"]
        np.testing.assert_allclose(curves.values[i, j, k], expected, atol=1e-5)
    with pytest.raises(fn.InputError, match="unknown metric 'test_los'; did you mean 'test_loss'"):
        results.curves("test_los")


@pytest.mark.slow
def test_params_are_stacked_in_the_order_of_the_table(trained):
    data, results = trained
    deep = results.where(depth=2, seed=[4, 0])
    params = deep.params()
    assert params[1]["w"].shape == (6, 64, 64) and params[2]["b"].shape == (6, 3)
    for row, config in enumerate(deep.space):
        one = jax.tree.map(lambda leaf, row=row: leaf[row], params)
        assert_close(one, alone(data, **config).state.params)
    shuffled = deep._take(np.array([3, 5, 0]))
    np.testing.assert_array_equal(shuffled.params()[0]["w"], params[0]["w"][[3, 5, 0]])


def test_each_file_of_params_is_read_once(trained, monkeypatch):
    _, results = trained
    read, load = [], Store.load_params

    def counting(store, chunk):
        read.append(chunk)
        return load(store, chunk)

    monkeypatch.setattr(Store, "load_params", counting)
    shallow = results.where(depth=0)
    shallow.params()
    assert sorted(read) == sorted(set(shallow.columns["chunk"])) and len(read) > 1


def test_params_of_several_shapes_are_refused_with_the_reason(trained):
    _, results = trained
    with pytest.raises(fn.InputError, match=r"may come from depth; .* where\(depth=0\)\.params"):
        results.params()


def test_params_that_are_missing_are_refused(trained, tmp_path):
    data, results = trained
    space = fn.grid(depth=0, learning_rate=0.1, seed=range(3))
    unsaved = fn.sweep(fn.mlp_recipe(data), space, data, store=tmp_path, num_steps=2, save_params=False)
    for lacking in (unsaved, fn.Results(results.space, results.columns, {}), measured(GRID, [1])):
        for load in (lacking.params, lambda lacking=lacking: lacking.member(0)):
            with pytest.raises(fn.InputError, match="no parameters are kept of run 0"):
                load()
    with pytest.raises(fn.InputError, match="no run is finished"):
        results._take(np.zeros(0, int)).params()


def test_a_member_has_a_row_or_values_of_its_own(trained):
    data, results = trained
    expected = alone(data, 2, learning_rate=0.1, seed=4).state.params
    row = list(results.space).index({"depth": 2, "learning_rate": 0.1, "seed": 4})
    assert_close(results.member(depth=2, learning_rate=0.1, seed=4), expected)
    assert_close(results.member(row), expected)
    assert_close(results.where(depth=2, learning_rate=0.1).member(seed=4), expected)
    for values, message in (
        ({"depth": 2, "seed": 3}, "3 runs have depth=2, seed=3; they differ in learning_rate$"),
        ({"depth": 1}, "no run has depth=1; the nearest is "),
    ):
        with pytest.raises(fn.InputError, match=message):
            results.member(**values)
    for arguments, values in (((), {}), ((row,), {"seed": 3})):
        with pytest.raises(fn.InputError, match="by its row"):
            results.member(*arguments, **values)


@pytest.mark.slow
def test_the_last_finite_value_is_from_before_the_divergence():
    """The loss of all examples, which full batches train on, says by itself up to when a run was sound."""
    data = fn.load_dataset("iris")
    network = fn.mlp(4, [16] * 3, 3, "relu")

    def recipe():
        return fn.supervised(
            network, "quadratic", optimizer=lambda hp: fn.sgd(hp["learning_rate"]), batch_size=None
        )

    space = fn.grid(learning_rate=[0.1, 3.0, 30.0, 300.0, 1e4, 1e30], seed=range(2))
    results = fn.sweep(recipe, space, data, num_steps=12, eval_every=1)
    assert len(set(results.columns["diverged_at"])) > 3
    for metric in ("test_loss", "test_accuracy"):
        found = results.last_finite(metric)
        for run, losses in enumerate(results.history["train_loss"]):
            sound = list(itertools.takewhile(np.isfinite, losses))
            values = [v for v in results.history[metric][run][: len(sound)] if np.isfinite(v)]
            np.testing.assert_equal(found[run], values[-1] if values else np.nan)
    with pytest.raises(fn.InputError, match="did you mean 'test_loss'"):
        results.last_finite("tst_loss")


def toy(measure):
    """A recipe whose state counts its updates, and whose loss is infinite from the update `hp["limit"]` on."""
    return lambda: fn.Task(
        init=lambda hp, data: jnp.zeros(()),
        step=lambda hp, state, data, batch: (
            state + 1,
            {"loss": jnp.where(state >= hp["limit"], jnp.inf, 0.0)},
        ),
        measure=lambda hp, state, data: measure(state),
    )


@pytest.mark.parametrize("eval_every", [1, 3])
def test_a_measurement_at_the_parameters_that_diverged_is_not_the_last_finite_one(eval_every):
    limits = [1.0, 3.0, 4.0, 6.0, 99.0]
    results = fn.sweep(
        toy(lambda state: {"updates": state}),
        fn.grid(limit=limits),
        None,
        num_steps=9,
        eval_every=eval_every,
    )
    points = range(eval_every, 10, eval_every)
    expected = [max((step for step in points if step < limit), default=np.nan) for limit in limits]
    np.testing.assert_equal(results.last_finite("updates"), expected)


@pytest.mark.parametrize("name", ["seconds", "diverged", "step", "batch_loss", "id", "lane", "roc_curve"])
def test_a_metric_with_the_name_of_a_column_is_refused_before_training(name, monkeypatch):
    monkeypatch.setattr(execute, "execute", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(fn.InputError, match=f"metric {name!r} .* another name"):
        fn.sweep(toy(lambda state: {name: state}), fn.grid(limit=[1.0, 2.0]), None, num_steps=4)


@pytest.mark.parametrize("name", ["seconds", "rung", "steps", "warm_curve"])
def test_an_axis_with_the_name_of_a_column_is_refused_before_training(name, monkeypatch):
    monkeypatch.setattr(execute, "execute", lambda *_, **__: pytest.fail("trained"))

    def recipe():
        return toy(lambda state: {"value": state})()._replace(measure=lambda hp, s, data: {"value": hp[name]})

    with pytest.raises(fn.InputError, match=f"axis {name!r} .* another name"):
        fn.sweep(recipe, fn.grid(limit=[1.0, 2.0], **{name: [1.0, 2.0]}), None, num_steps=4)


def test_an_axis_or_metric_called_place_is_one_column():
    task = toy(lambda state: {"row": 10 * state})()
    results = fn.sweep(
        lambda: task._replace(measure=lambda hp, s, data: {"row": hp["place"] * s}),
        fn.grid(limit=9.0, place=[5.0, 7.0]),
        None,
        num_steps=4,
    )
    table = results.table()
    assert table["place"].to_list() == [5, 7] and table["row"].to_list() == [20, 28]
    assert not [name for name in table.columns if name.endswith("_right")]
    counted = fn.sweep(toy(lambda state: {"place": state}), fn.grid(limit=[8.0, 9.0]), None, num_steps=4)
    assert counted.columns["place"].tolist() == [4, 4]


def test_counts_and_booleans_are_ranked_from_either_end():
    space = fn.grid(n=range(5))
    columns = {
        "count": np.array([0, 5, 3, 5, 2], np.uint32),
        "diverged": np.array([False, True, False, True, False]),
        "large": np.array([2**63 - 2, 2**63 - 1, -(2**63), 0, 1]),
        "id": np.array(list("abcde")),
    }
    results = fn.Results(space, columns, {})

    def order(metric, maximize):
        return [run["n"] for run in results.top(5, metric, maximize=maximize).space]

    assert order("count", True) == [1, 3, 2, 4, 0] and order("count", False) == [0, 4, 2, 1, 3]
    assert order("diverged", True) == [1, 3, 0, 2, 4] and order("diverged", False) == [0, 2, 4, 1, 3]
    assert order("large", True) == [1, 0, 4, 3, 2]
    for ask in (results.top, lambda _, metric, maximize: results.best(metric, maximize=maximize)):
        with pytest.raises(fn.InputError, match="column 'id' holds no numbers"):
            ask(1, "id", maximize=True)


def test_many_runs_are_tabulated_in_no_time():
    space = fn.grid(a=range(4), b=fn.linspace(0, 1, 64), c=range(16), seed=range(16))
    losses = np.random.default_rng(0).normal(size=(len(space), 9))
    rows = pl.DataFrame(
        {
            "id": space.ids(),
            "loss": losses[:, -1],
            "diverged": losses[:, 0] > 3,
            "step_curve": np.tile(np.arange(9) * 10, (len(space), 1)).tolist(),
            "loss_curve": losses.tolist(),
        }
    )
    parts = [rows[start : start + 128] for start in range(0, len(rows), 128)][::-1]
    started = time.perf_counter()
    results = collect(space, parts)
    assert results.table().height == 65_536
    curves, means = results.curves("loss"), results.over("seed").mean_ci("loss")
    best = results.where(a=[1, 3]).best("loss")
    assert time.perf_counter() - started < 2
    np.testing.assert_array_equal(curves.values, losses.reshape(4, 64, 16, 16, 9))
    expected = losses[:, -1].reshape(-1, 16).mean(axis=1)
    np.testing.assert_allclose(means.mean, expected)
    assert best.mean == pytest.approx(expected.reshape(4, -1)[[1, 3]].min())


def test_what_is_printed_is_short_and_says_what_there_is(trained):
    data, results = trained
    assert repr(results) == (
        "Results: 30 runs (depth: 2 x learning_rate: 3 x seed: 5); "
        "metrics: test_accuracy, test_loss, train_accuracy, train_loss"
    )
    assert repr(results.space.take([0, 7])) == "Space: 2 runs (depth: 1, learning_rate: 2, seed: 2)"
    assert repr(results.over("seed")) == "Grouped: 30 runs in 6 groups by depth, learning_rate"
    prepared = fn.prepare(fn.mlp_recipe(data), fn.grid(depth=0, learning_rate=[0.1, 0.2]), data, num_steps=7)
    assert re.fullmatch(
        r"Prepared: 2 runs \(depth: 1 x learning_rate: 2\), 2 to train for 7 steps in 1 program, about .* s",
        repr(prepared),
    )
    assert repr(fn.Network(lambda key: 1 / 0, lambda params, x: x)) == "Network"


def test_a_notebook_is_given_tables(trained):
    _, results = trained
    shown = fn.Results(fn.grid(name=["<b>"]), {"test_loss": np.array([0.5])}, {})._repr_html_()
    assert "<table" in shown and "0.5" in shown and "<b>" not in shown and "&lt;b&gt;" in shown
    assert "<td>learning_rate</td><td>3</td>" in results.space._repr_html_()


def test_the_table_tells_where_runs_are_kept_only_when_asked(trained):
    _, results = trained
    records = ["id", "chunk", "lane", "fingerprint"]
    assert not set(records) & set(results.table().columns)
    assert results.table(records=True).columns == [*results.table().columns, *records]
