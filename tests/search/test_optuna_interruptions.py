"""Searches with Optuna that break off and go on: what the study and the store say afterwards."""

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from two_rates import RATES, random_study, search, states

import fnnet as fn
import fnnet.search.optuna as interop


def broken(error, after=0):
    """Make a `sweep` that raises in a later call."""
    num_calls = iter(range(100))

    def sweep(*args, **options):
        if next(num_calls) >= after:
            raise error
        return fn.sweep(*args, **options)

    return sweep


@pytest.mark.parametrize(
    ("error", "queued"), [(RuntimeError("out of luck"), []), (KeyboardInterrupt(), ["WAITING"] * 3)]
)
def test_failing_sweep_leaves_no_trial_running(monkeypatch, error, queued):
    """Trials that were told keep their values; the others fail, and those without fault are queued again."""
    monkeypatch.setattr(interop, "sweep", broken(error, after=1))
    study = random_study()
    with pytest.raises(type(error)):
        search(study, num_trials=9)
    assert states(study) == ["COMPLETE"] * 3 + ["FAIL"] * 3 + queued


def test_failing_sampler_leaves_no_trial_running(calls):
    class Interrupted(optuna.samplers.RandomSampler):
        def sample_independent(self, study, trial, name, distribution):
            if trial.number == 3 and name == "second_rate":
                raise KeyboardInterrupt
            return super().sample_independent(study, trial, name, distribution)

    study = optuna.create_study(sampler=Interrupted(seed=0))
    asked = {axis: interop.translate(axis, distribution) for axis, distribution in RATES.items()}
    study.ask(asked)  # of somebody else, who is at work on it
    with pytest.raises(KeyboardInterrupt):
        search(study)
    assert calls == []
    assert states(study) == ["RUNNING", "FAIL", "FAIL", "FAIL", "WAITING", "WAITING"]


def test_interrupted_search_resumes(tmp_path, monkeypatch, calls):
    """The same call, with the study from its storage and the same store, does the rest and nothing twice."""

    def study(seed):
        storage = optuna.storages.JournalStorage(
            optuna.storages.journal.JournalFileBackend(str(tmp_path / "study.log"))
        )
        return random_study(seed, storage=storage, study_name="search", load_if_exists=True)

    settings = {"num_trials": 8, "num_seeds": 2, "store": tmp_path / "store"}

    def interrupted(recipe, space, *args, **options):
        if len(space) > 6:  # after one of the three configurations of the second batch
            fn.sweep(recipe, space.take(np.arange(8)), *args, **options)
            raise KeyboardInterrupt
        return fn.sweep(recipe, space, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(interop, "sweep", interrupted)
        with pytest.raises(KeyboardInterrupt):
            search(study(0), **settings)
    before = fn.open_results(settings["store"]).table()
    stopped = study(0).trials[3:6]
    assert before.height == 8

    results = search(study(1), **settings)
    assert calls == [12, 16]
    told = [trial for trial in study(0).trials if trial.state == TrialState.COMPLETE]
    assert len(told) == 8
    assert [trial.params for trial in told[3:6]] == [trial.params for trial in stopped]
    assert {trial.state.name for trial in stopped} == {"FAIL"}
    table = results.table()
    for name in RATES:
        assert table[name].to_list() == [trial.params[name] for trial in told for _ in range(2)]
    # Chunk and seconds tell that these rows were not made again.
    assert table.head(8).equals(before)
    means = table["test_loss"].to_numpy().astype(float).reshape(8, 2).mean(axis=1)
    assert [trial.value for trial in told] == means.tolist()

    again = search(study(2), **settings)
    assert again.table().equals(table) and len(study(0).trials) == len(told) + 3
    assert fn.open_results(settings["store"]).table().equals(table)


def test_study_can_get_a_store_later(tmp_path):
    """The runs of earlier trials are trained for it, and agree with what was told."""
    study = random_study()
    search(study, num_trials=3)
    results = search(study, num_trials=5, store=tmp_path)
    assert results["test_loss"].tolist() == [trial.value for trial in study.trials]
