"""Searches with Optuna: mistakes, which are found before any work."""

import optuna
import pytest
from two_rates import CURVATURES, RATES, quadratic, random_study, search

import fnnet.search.optuna as interop
from fnnet import Choice, InputError, IntUniform, Uniform


def two_objectives():
    return optuna.create_study(directions=["minimize", "minimize"])


def after(**distributions):
    """Make a study that was used with other distributions."""
    study = random_study()
    study.tell(study.ask({name: interop.translate(name, d) for name, d in distributions.items()}), 1.0)
    return study


CHOICE = {**RATES, "curvatures": Choice([(2.0, 0.5), (1.0, 0.5)])}


@pytest.mark.parametrize(
    ("make_study", "distributions", "settings", "message"),
    [
        (random_study, RATES, {"num_trials": 0}, "num_trials must be a positive integer, got 0"),
        (random_study, RATES, {"batch_size": 0}, "batch_size must be a positive integer, got 0"),
        (random_study, RATES, {"num_seeds": True}, "num_seeds must be a positive integer, got True"),
        (random_study, RATES, {"num_steps": 0}, "num_steps must be a positive integer, got 0"),
        (random_study, RATES, {"eval_every": 0}, "eval_every must be a positive integer, got 0"),
        (random_study, {}, {}, "a search needs at least one axis"),
        (random_study, {**RATES, "seed": IntUniform(0, 9)}, {}, "use num_seeds"),
        (random_study, {**RATES, "first_rate": Uniform(2, 1)}, {}, "numbers low < high"),
        (random_study, {**RATES, "first_rate": IntUniform(0, 2**53 + 1)}, {}, "2\\*\\*53"),
        (random_study, {**RATES, "first_rate": IntUniform(2**60, 2**60 + 9)}, {}, "-2\\*\\*53 to 2\\*\\*53"),
        (random_study, {**RATES, "first_rat": Uniform(1, 2)}, {}, "unknown axis 'first_rat'"),
        (random_study, {"first_rate": Uniform(1, 2)}, {}, "'second_rate'"),
        (random_study, {**RATES, "curvatures": Choice([(2.0, 0.5), (0.0, -1.0)])}, {}, "curvature 0.0"),
        (random_study, RATES, {"metric": "test_los"}, "unknown metric 'test_los'; did you mean 'test_loss'"),
        (
            random_study,
            RATES,
            {"metric": "test_accuracy"},
            "is minimize, expected maximize for 'test_accuracy'",
        ),
        (
            lambda: random_study(direction="maximize"),
            RATES,
            {},
            "is maximize, expected minimize for 'test_loss'",
        ),
        (two_objectives, RATES, {}, "one objective, got 2"),
        (lambda: after(first_rate=Uniform(0, 1)), RATES, {}, "axes must be those of trial 0 of the study"),
        (
            lambda: after(**RATES | {"first_rate": Uniform(0.05, 5)}),
            RATES,
            {},
            "axis 'first_rate' has the distribution .*log=False.* in trial 0",
        ),
        (
            lambda: after(**CHOICE),
            {**CHOICE, "curvatures": Choice([(1.0, 0.5), (2.0, 0.5)])},
            {},
            "axis 'curvatures' has the distribution",
        ),
        (lambda: after(**RATES), RATES, {"num_trials": 1}, "must exceed the 1 completed trials .* got 1"),
    ],
)
def test_invalid_search_is_refused_before_a_trial_is_asked(
    make_study, distributions, settings, message, calls
):
    def recipe(curvatures=CURVATURES):
        if curvatures[0] <= 0:
            raise InputError(f"curvature {curvatures[0]}")
        return quadratic(curvatures)

    study = make_study()
    num_trials = len(study.trials)
    with pytest.raises(InputError, match=message):
        search(study, distributions, recipe, **settings)
    assert calls == [] and len(study.trials) == num_trials


def test_user_metric_is_minimized_or_maximized():
    """Nothing in its name says which end is better, so the study's direction is right."""
    study = random_study(direction="maximize")
    results = search(study, metric="closeness", num_trials=2)
    assert study.best_value == results["closeness"].max()
