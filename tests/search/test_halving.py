"""Successive halving against brute force over a full sweep that is measured at every rung."""

import jax.numpy as jnp
import numpy as np
import pytest

import fnnet as fn
from fnnet.sweeps import job
from fnnet.sweeps.events import Segment

RUNGS = (4, 12, 36)


@pytest.fixture(scope="module")
def data():
    return fn.load_dataset("iris")


SPACE = fn.grid(depth=[0, 1], learning_rate=fn.logspace(0.003, 1, 7), seed=range(3))


def search(data, **options):
    return fn.successive_halving(
        fn.mlp_recipe(data), SPACE, data, **{"rungs": RUNGS, "metric": "test_loss", "factor": 3, **options}
    )


@pytest.fixture(scope="module")
def full(data):
    return fn.sweep(fn.mlp_recipe(data), SPACE, data, num_steps=36, eval_every=4)


@pytest.fixture(scope="module")
def halved(data):
    return search(data)


def reached_by_brute_force(full, metric="test_loss", sign=1):
    """Climb the rungs with loops: for each run the last rung that its configuration reaches."""
    configs = [(config["depth"], config["learning_rate"]) for config in full.space]
    alive, reached = list(dict.fromkeys(configs)), {}
    num_configs = len(alive)
    for rung, step in enumerate(RUNGS):
        means = {}
        for config in alive:
            reached[config] = rung
            place = full["step_curve"][0].tolist().index(step)
            values = [
                full[f"{metric}_curve"][run, place] for run in range(len(configs)) if configs[run] == config
            ]
            means[config] = sign * sum(values) / len(values)
        alive = sorted(alive, key=means.get)[: max(1, int(num_configs / 3 ** (rung + 1)))]
    return [reached[config] for config in configs]


@pytest.mark.slow
def test_better_configurations_are_promoted_with_all_their_seeds(halved, full):
    reached = reached_by_brute_force(full)
    assert sorted(set(reached)) == [0, 1, 2] and halved["rung"].tolist() == reached


@pytest.mark.slow
def test_more_is_better_where_the_metric_says_so(data, full):
    assert search(data, metric="test_accuracy")["rung"].tolist() == reached_by_brute_force(
        full, "test_accuracy", -1
    )
    worst_first = search(data, higher_is_better=True)["rung"].tolist()
    assert worst_first == reached_by_brute_force(full, "test_loss", -1)


def test_each_run_matches_the_sweep_at_its_last_rung(halved, full):
    for run, rung in enumerate(halved["rung"]):
        place = RUNGS[rung] // 4 - 1
        for metric in ("test_loss", "train_loss"):
            expected = full[f"{metric}_curve"][run, place]
            np.testing.assert_allclose(halved[metric][run], expected, atol=1e-5)
        steps = halved["step_curve"][run]
        assert steps[np.isfinite(steps)].tolist() == list(RUNGS[: rung + 1])


def test_best_is_chosen_among_fully_trained_runs(halved):
    finished = halved["rung"] == 2
    best = halved.best("test_loss")
    assert best.interval.num_runs == 3
    rates = halved.space.column("learning_rate")[finished]
    assert best.config["learning_rate"] in rates


@pytest.mark.slow
def test_survivors_train_in_fewer_lanes(data, full, monkeypatch):
    lanes = []  # on two devices

    def noting(event):
        if isinstance(event, Segment) and event.step == event.spec.stops[-1]:
            lanes.append((event.step, 2 * event.spec.lanes))

    monkeypatch.setattr(job, "WORTH_COMPILING", 0.0)
    narrow = search(data, on_event=noting)
    assert max(n for stop, n in lanes if stop == RUNGS[0]) == 16
    assert max(n for stop, n in lanes if stop == RUNGS[2]) == 4
    assert narrow["rung"].tolist() == reached_by_brute_force(full)
    below = dict(zip(RUNGS, (0, *RUNGS), strict=False))
    assert sum(n * (stop - below[stop]) for stop, n in lanes) < len(SPACE) * RUNGS[-1] / 2


@pytest.mark.slow
def test_interrupted_search_resumes_with_the_same_bits(data, tmp_path):
    options = {"state_every": 0.0, "eval_every": 4, "lanes": 2, "save_params": True}
    whole = search(data, store=tmp_path / "whole", **options)
    ended, limit = [], [0]

    def stopping(event):
        if isinstance(event, Segment):
            ended.append((event.spec.id, event.step))
            if len(ended) == limit[0]:
                raise RuntimeError("stopped")

    rng = np.random.default_rng(0)
    resumed, stops = None, 0
    while resumed is None and stops < 50:
        limit[0] = len(ended) + int(rng.integers(1, 12))
        try:
            resumed = search(data, store=tmp_path / "cut", on_event=stopping, **options)
        except RuntimeError:
            stops += 1
    assert resumed is not None and stops >= 4
    assert len(ended) - len(set(ended)) <= stops, "at most a segment is done again"
    drop = ["seconds"]
    assert resumed.table(records=True).drop(drop).equals(whole.table(records=True).drop(drop))
    for name in [name for name in whole if name.endswith("_curve")]:
        np.testing.assert_array_equal(resumed[name], whole[name])
    reopened = fn.open_results(tmp_path / "cut")
    assert reopened.table(records=True).equals(resumed.table(records=True))
    run = int(np.flatnonzero(resumed["rung"] == 2)[0])
    for mine, theirs in zip(resumed.params(run), whole.params(run), strict=True):
        np.testing.assert_array_equal(mine["w"], theirs["w"])
    assert list((tmp_path / "cut" / "states").iterdir()) == []


@pytest.mark.slow
def test_finished_search_trains_nothing_and_lost_states_are_made_again(data, tmp_path):
    options = {"lanes": 2, "state_every": 0.0, "store": tmp_path}
    whole = search(data, **options)
    trained = []

    def noting(event):
        if isinstance(event, Segment):
            trained.append(event.spec.id)

    options["on_event"] = noting
    assert search(data, **options).table(records=True).equals(whole.table(records=True)) and not trained
    last = whole.table(records=True).filter(rung=2)["chunk"][0]
    (tmp_path / "chunks" / f"{last}.parquet").unlink()  # the states below it were dropped at the end
    again = search(data, **options).table(records=True)
    assert again.drop("seconds").equals(whole.table(records=True).drop("seconds")) and last in trained


@pytest.mark.slow
def test_another_search_is_refused_in_the_same_folder(data, tmp_path):
    search(data, store=tmp_path)
    with pytest.raises(fn.InputError, match=r"was made with rungs=\[4, 12, 36\], got \[8, 36\]"):
        search(data, store=tmp_path, rungs=[8, 36])
    with pytest.raises(fn.InputError, match="was made with factor=3, got 2"):
        search(data, store=tmp_path, factor=2)
    with pytest.raises(fn.InputError, match=r"was made with rungs=\[4, 12, 36\], got None"):
        fn.sweep(fn.mlp_recipe(data), SPACE, data, num_steps=36, store=tmp_path)
    with pytest.raises(fn.InputError, match="was made with runs="):
        more = SPACE | fn.grid(depth=0, learning_rate=0.5, seed=9)
        fn.successive_halving(
            fn.mlp_recipe(data), more, data, rungs=RUNGS, metric="test_loss", factor=3, store=tmp_path
        )


def test_diverged_configurations_never_win(data):
    space = fn.grid(learning_rate=[1e30, 0.1, 1e25, 1e28], seed=range(2))
    results = fn.successive_halving(
        fn.mlp_recipe(data), space, data, rungs=[5, 10], metric="train_loss", factor=2
    )
    rates = space.column("learning_rate")
    assert results["rung"][rates == 0.1].tolist() == [1, 1]
    assert results.best("train_loss").config == {"learning_rate": 0.1}
    assert results["diverged"].sum() == 6


@pytest.mark.slow
def test_hyperband_gives_every_configuration_one_bracket(data, tmp_path):
    space = fn.random_design(27, seed=1, learning_rate=fn.LogUniform(0.003, 1)) * fn.grid(seed=range(2))
    options = {"max_steps": 48, "min_steps": 3, "metric": "test_loss"}
    results = fn.hyperband(fn.mlp_recipe(data), space, data, store=tmp_path, **options)
    brackets, rungs = results["bracket"], results["rung"]
    assert len(results.space) == 54 and set(brackets) == {0, 1, 2}
    assert (brackets[::2] == brackets[1::2]).all(), "seeds stay together"
    last = np.nanmax(results["step_curve"], axis=1)
    for number, steps in enumerate([(3, 12, 48), (12, 48), (48,)]):
        mine = brackets == number
        np.testing.assert_array_equal(last[mine], np.asarray(steps)[rungs[mine]])
    # Li et al. 2018: with 3 brackets and a factor of 4 the sizes are as 16 : 6 : 3.
    np.testing.assert_allclose(np.bincount(brackets) / 2, 27 * np.array([16, 6, 3]) / 25, atol=1)
    again = fn.hyperband(fn.mlp_recipe(data), space, data, store=tmp_path, **options)
    assert again.table().equals(results.table())
    other = fn.hyperband(fn.mlp_recipe(data), space, data, seed=1, **options)
    assert (other["bracket"] != brackets).any()


def slow_starters():
    """A recipe whose runs are the better in the end the worse they begin."""
    return fn.Task(
        init=lambda key, hp, data: jnp.zeros(()),
        step=lambda key, hp, updates, batch: (updates + 1, {"loss": hp["q"]}),
        measure=lambda hp, updates, data: {
            "loss": jnp.where(updates < 9, -hp["q"], hp["q"]),
            "updates": updates,
        },
    )


def test_best_of_a_hyperband_is_the_best_fully_trained_run_of_any_bracket():
    space = fn.grid(q=np.arange(1.0, 23).tolist())
    results = fn.hyperband(slow_starters, space, None, max_steps=9, min_steps=1, factor=3, metric="loss")
    updates, losses = results["updates"], results["loss"]
    assert results["steps"].tolist() == updates.tolist() and set(updates) == {1, 3, 9}
    full = sorted(losses[updates == 9])
    assert len(set(results["bracket"][updates == 9])) == 3
    best = results.best("loss")
    assert best.interval.mean == full[0] and best.gap == pytest.approx(full[1] - full[0])
    assert results.top("loss", len(full))["loss"].tolist() == full
    with pytest.raises(fn.InputError, match=f"num_runs must be from 1 to {len(full)}"):
        results.top("loss", len(full) + 1)


def test_rungs_of_a_small_factor_are_distinct():
    space = fn.grid(q=np.arange(1.0, 30).tolist())
    results = fn.hyperband(slow_starters, space, None, max_steps=3, min_steps=1, factor=1.3, metric="loss")
    steps, brackets = results["step_curve"], results["bracket"]
    longest = {int(b): max(map(tuple, steps[brackets == b]), key=np.nansum) for b in set(brackets)}
    assert {b: [s for s in rungs if s == s] for b, rungs in longest.items()} == {
        0: [1, 2, 3],
        1: [2, 3],
        2: [3],
    }


@pytest.fixture(scope="module")
def kept(data, tmp_path_factory):
    """A hyperband whose runs and parameters are in a store."""
    folder = tmp_path_factory.mktemp("hyperband")
    space = fn.random_design(12, seed=0, learning_rate=fn.LogUniform(1e-3, 1))
    options = {"max_steps": 36, "min_steps": 4, "factor": 3, "metric": "test_loss", "save_params": True}
    return folder, fn.hyperband(fn.mlp_recipe(data), space, data, store=folder, **options)


@pytest.mark.slow
def test_parameters_of_a_hyperband_are_those_of_the_runs_alone(data, kept):
    _, results = kept
    task = fn.mlp_recipe(data)()
    steps, brackets = results["steps"], results["bracket"]
    assert set(brackets) == {0, 1, 2}
    for run in {
        int(np.flatnonzero(steps == 4)[0]),
        *(int(np.flatnonzero(brackets == b)[-1]) for b in range(3)),
    }:
        hparams = {"learning_rate": results.space[run]["learning_rate"]}
        alone = fn.train(task, hparams, data, num_steps=int(steps[run])).state.params
        for mine, theirs in zip(results.params(run), alone, strict=True):
            np.testing.assert_allclose(mine["w"], theirs["w"], atol=1e-5)
    top = results.top("test_loss", 2)
    assert top.params()[0]["w"].shape[0] == 2 and set(top["steps"]) == {36}
    found = fn.evaluate_results(fn.mlp_recipe(data), results, data.test, ["accuracy"])
    np.testing.assert_allclose(found["accuracy"], results["test_accuracy"], atol=1e-6)


@pytest.mark.slow
def test_folder_of_a_hyperband_is_one_store(kept):
    folder, results = kept
    reopened = fn.open_results(folder)
    assert reopened.table().equals(results.table())
    assert reopened["chunk"].tolist() == results["chunk"].tolist()
    assert (
        reopened.top("test_loss", 3).space.ids().tolist() == results.top("test_loss", 3).space.ids().tolist()
    )


@pytest.mark.slow
def test_runs_that_were_stopped_early_are_verified_where_they_stopped(data, kept):
    folder, results = kept
    differences = fn.verify(fn.mlp_recipe(data), folder, data, num_runs=len(results.space))
    assert max(differences.values()) < 1e-5 and "test_loss" in differences
    wrong = results._take(np.flatnonzero(results["steps"] == 4))["test_loss"]
    assert np.abs(wrong - results["test_loss"].min()).min() > 1e-3, "steps do matter here"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rungs": []}, "rungs must be increasing positive integers"),
        ({"rungs": [4, 4]}, "rungs must be increasing positive integers"),
        ({"rungs": [0, 4]}, "rungs must be increasing positive integers"),
        ({"factor": 1}, "factor must be a number above 1, got 1"),
        ({"metric": "test_los"}, "did you mean 'loss'|unknown metric"),
        ({"metric": "test_r2"}, "unknown metric 'test_r2'"),
        ({"over": "sede"}, "unknown axis 'sede'; did you mean 'seed'"),
    ],
)
def test_impossible_searches_are_refused(data, options, message):
    with pytest.raises(fn.InputError, match=message):
        search(data, **options)


def test_too_few_configurations_for_hyperband(data):
    with pytest.raises(
        fn.InputError, match="space must have at least 3 configurations, one per bracket, got 2"
    ):
        fn.hyperband(
            fn.mlp_recipe(data),
            fn.grid(learning_rate=[0.1, 0.2], seed=range(9)),
            data,
            max_steps=16,
            min_steps=1,
            metric="test_loss",
        )
    with pytest.raises(fn.InputError, match="min_steps must be from 1 to max_steps=16, got 17"):
        fn.hyperband(fn.mlp_recipe(data), SPACE, data, max_steps=16, min_steps=17, metric="test_loss")
