"""Search with Optuna's samplers: a whole batch of trials is asked for, trained as one sweep, and told.

A sampler that proposes one trial after another would leave all lanes but one empty. Here TPE, a Gaussian
process or CMA-ES proposes as many as are to train together. Optuna draws, and the study remembers what was
told; fnnet trains, and the store remembers every run.
"""

import contextlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from fnnet.errors import InputError, check_integer, unknown_name
from fnnet.records.ranking import rank
from fnnet.records.results import Results
from fnnet.records.rows import collect
from fnnet.space.designs import Choice, Distribution, IntUniform, LogUniform, Uniform, random
from fnnet.space.grids import grid, zip_axes
from fnnet.space.space import Config, Space, union
from fnnet.space.values import Value, axis_values
from fnnet.sweeps.execution import sweep
from fnnet.sweeps.plan import Recipe, make_plan
from fnnet.training import check_steps

try:
    import optuna
except ImportError as error:
    raise ImportError("fnnet.interop.optuna needs Optuna: pip install 'fnnet[optuna]'") from error

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    check_distribution_compatibility,
)
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

_MAX_INTEGER = 2**53  # Optuna keeps integers as float64


def optimize(
    study: optuna.Study,
    recipe: Recipe,
    distributions: Mapping[str, Distribution],
    data: Any,
    *,
    metric: str,
    num_trials: int,
    batch_size: int,
    num_steps: int,
    num_seeds: int = 1,
    store: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Results:
    """Let the sampler of a study propose configurations, a batch at a time, until enough are tried.

    A batch is one sweep: every configuration that the sampler proposes, with every seed. The study is told the
    mean of the metric over the seeds. A trial whose mean is not finite is told the worst value there is, an
    infinite one; trials of equal configurations are told the same value.

    Of Optuna's samplers these suit batches:

    - `TPESampler(constant_liar=True)` keeps the trials of a batch apart; the default from Optuna 5 on.
    - `GPSampler()` does so by itself from Optuna 5 on; it needs PyTorch.
    - `CmaEsSampler(popsize=batch_size)` makes each batch a generation, but for the first, which is random. It
      draws a `Choice` at random always.

    The same call goes on where a search was stopped, when the study is in one of Optuna's storages and `store`
    names the same folder. Make the sampler with another seed then, or it draws its first trials again. After
    Ctrl-C the trials under way are told as failed and queued again, so that the next call trains the rest of
    their runs. A process that was killed leaves its trials RUNNING; tell them as failed by hand.

    Args:
        study: has one objective, and the direction of the metric; its sampler proposes.
        recipe: as for `sweep`.
        distributions: by name, what each axis is drawn from.
        data: as for `sweep`.
        metric: what the study is told, a column of the results, such as "validation_accuracy".
        num_trials: how many the study has in the end that were told a value, those of earlier calls included.
        batch_size: how many are proposed together.
        num_steps: updates in each run.
        num_seeds: runs of each configuration, with the seeds from 0 on; the task reads the axis "seed".
        store: a folder that keeps every run, of all batches and calls, as one sweep. None keeps nothing.
        **options: `eval_every`, `lanes`, `state_every`, `save_params`, `accept_fingerprint` and
            `show_progress`, as for `sweep`.

    Returns:
        The results, one row per run in the order of the trials; a configuration that was proposed again
        has its rows once. With a store they cover the whole study, and a run of an earlier trial that the store
        lacks is trained; without one they cover this call.

    Raises:
        InputError: before any training, for whatever is wrong with the arguments or does not fit the study or
            the store.
        KeyboardInterrupt: after Ctrl-C, once what is finished is safe.

    Source: Akiba et al. 2019, Optuna: a next-generation hyperparameter optimization framework; its
    ask-and-tell interface.

    Example:
        >>> from fnnet import load_dataset, mlp_recipe
        >>> data = load_dataset("iris")
        >>> sampler = optuna.samplers.TPESampler(seed=0)
        >>> study = optuna.create_study(direction="minimize", sampler=sampler)
        >>> distributions = {"learning_rate": LogUniform(0.001, 1), "momentum": Uniform(0, 0.9)}
        >>> results = optimize(
        ...     study, mlp_recipe(data), distributions, data, metric="train_loss",
        ...     num_trials=8, batch_size=4, num_steps=20, num_seeds=2,
        ... )
        >>> results.table().height, len(study.trials)
        (16, 8)
        >>> results.best("train_loss").mean == study.best_value
        True
    """
    translated = _check(
        study, recipe, distributions, data, metric, num_trials, batch_size, num_steps, num_seeds, options
    )
    if store is None and num_trials <= len(_told(study)):
        raise InputError(
            f"num_trials counts all trials of the study, which was told {len(_told(study))} already, "
            f"got {num_trials}; without a store there is nothing to do and nothing to show"
        )
    seeds = grid(seed=range(num_seeds))
    configs = [_config(trial.params, distributions) for trial in _told(study)] if store is not None else []
    parts: list[pl.DataFrame] = []

    def train(configs: Sequence[Config]) -> Results:
        """Train the runs of some configurations that were not trained before; return the results of all."""
        space = _space(configs) * seeds
        if store is not None:  # which knows what it has
            return sweep(recipe, space, data, num_steps=num_steps, store=store, **options)
        done = {run_id for part in parts for run_id in part["id"]}
        new = [run for run, run_id in enumerate(space.ids().tolist()) if run_id not in done]
        if new:
            results = sweep(recipe, space.take(new), data, num_steps=num_steps, **options)
            parts.append(_rows(results))
        return collect(space, parts)

    results = None
    while (num_missing := num_trials - len(_told(study))) > 0:
        with _asked(study, translated, min(batch_size, num_missing)) as trials:
            proposed = [_config(trial.params, distributions) for trial in trials]
            configs += proposed
            results = train(configs)
            for trial, mean in zip(trials, _means(results, metric, configs, proposed), strict=True):
                study.tell(trial, mean if math.isfinite(mean) else _worst(study))
    return train(configs) if results is None else results


def translate(name: str, distribution: Distribution) -> BaseDistribution:
    """Write a distribution of fnnet as the one of Optuna from which the same values are drawn.

    Args:
        name: of the axis, for messages.
        distribution: of fnnet.

    Returns:
        Optuna's distribution. The categories of a `Choice` are its values where Optuna can tell all of them
        apart and store them, and else the texts of all: "(64, 32)" stands for the tuple.

    Raises:
        InputError: when the bounds are impossible, or integers are too large for Optuna.

    Example:
        >>> translate("learning_rate", LogUniform(0.001, 1))
        FloatDistribution(high=1.0, log=True, low=0.001, step=None)
        >>> translate("widths", Choice([(64,), (64, 32)]))
        CategoricalDistribution(choices=('(64,)', '(64, 32)'))
    """
    random(1, seed=0, **{name: distribution})  # refuses impossible bounds
    match distribution:
        case Choice():
            return CategoricalDistribution(list(_categories(name, distribution)))
        case IntUniform(low, high):
            if max(abs(low), abs(high)) > _MAX_INTEGER:
                raise InputError(f"axis {name!r} needs integers from -2**53 to 2**53, got {distribution}")
            return IntDistribution(low, high)
        case LogUniform(low, high):
            return FloatDistribution(low, high, log=True)
        case Uniform(low, high):
            return FloatDistribution(low, high)


def _categories(name: str, choice: Choice) -> dict[Any, Value]:
    """List the values of a choice by the categories that stand for them in a study."""
    values = axis_values(name, choice.values)
    # Texts and not places in the list: Optuna refuses to go on with other texts, so that no old trial can come
    # to mean another value. To Optuna True and 1 are one category, to fnnet they are two values.
    is_plain = not any(isinstance(value, tuple) for value in values) and len(set(values)) == len(values)
    return dict(zip(values if is_plain else map(repr, values), values, strict=True))


def _config(params: Mapping[str, Any], distributions: Mapping[str, Distribution]) -> Config:
    """Read a trial's parameters as the values they stand for."""
    return {
        name: _categories(name, distribution)[params[name]]
        if isinstance(distribution, Choice)
        else params[name]
        for name, distribution in distributions.items()
    }


def _space(configs: Sequence[Config]) -> Space:
    return zip_axes(**{name: [config[name] for config in configs] for name in configs[0]})


def _means(
    results: Results, metric: str, configs: Sequence[Config], proposed: Sequence[Config]
) -> list[float]:
    """Return the mean over seeds of each proposed configuration."""
    # Seeds change fastest, so that configurations appear in the results in the order of their own space.
    means = results.over("seed").mean_ci(metric).mean.tolist()
    mean_of = dict(zip(_space(configs).ids().tolist(), means, strict=True))
    return [mean_of[_space([config]).ids()[0]] for config in proposed]


def _worst(study: optuna.Study) -> float:
    """Return the value that a diverged trial is told.

    A trial told as failed would teach nothing: samplers ignore those, and propose the same region again.
    TPE and CMA-ES only rank values, and the Gaussian process clips an infinite one to the worst that is finite
    (with a warning). Unlike some large number, it can be told from what was measured.
    """
    return -math.inf if study.direction == StudyDirection.MAXIMIZE else math.inf


@contextlib.contextmanager
def _asked(
    study: optuna.Study, translated: dict[str, BaseDistribution], number: int
) -> Iterator[list[Trial]]:
    """Ask for trials; if what is done with them breaks off, tell those that were told nothing as failed."""
    others = {trial.number for trial in _running(study)}
    trials: list[Trial] = []
    try:
        for _ in range(number):
            trials.append(study.ask(translated))
        yield trials
    except BaseException as error:
        numbers = {trial.number for trial in trials}
        for running in _running(study):
            # A trial whose asking broke off was never handed out. Trials that another process asks for
            # meanwhile have all their parameters, but for an instant.
            broke_off = running.number not in others and len(running.params) < len(translated)
            if running.number in numbers or broke_off:
                study.tell(running.number, state=TrialState.FAIL)
            # What was stopped and not at fault is asked for first next time, when the store has part of it.
            if running.number in numbers and not isinstance(error, Exception):
                study.enqueue_trial(running.params)
        raise


def _running(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def _told(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _rows(results: Results) -> pl.DataFrame:
    """Write results as the rows that `collect` puts together."""
    curves = {f"{name}_curve": pl.Series(points).arr.to_list() for name, points in results.history.items()}
    return pl.DataFrame(results.columns | curves)


def _check(
    study: optuna.Study,
    recipe: Recipe,
    distributions: Mapping[str, Distribution],
    data: Any,
    metric: str,
    num_trials: int,
    batch_size: int,
    num_steps: int,
    num_seeds: int,
    options: Mapping[str, Any],
) -> dict[str, BaseDistribution]:
    """Find every mistake before the first trial is asked for; returns Optuna's distributions."""
    counts = {"num_trials": num_trials, "batch_size": batch_size, "num_seeds": num_seeds}
    for field, count in counts.items():
        check_integer(field, count)
    check_steps(num_steps, options.get("eval_every"))
    if not distributions:
        raise InputError("a search needs at least one axis, such as {'learning_rate': LogUniform(0.001, 1)}")
    if "seed" in distributions:
        raise InputError("the axis 'seed' is not drawn: num_seeds says how many runs a configuration has")
    translated = {name: translate(name, distribution) for name, distribution in distributions.items()}
    _check_direction(study, metric)
    _check_trials(study, translated)
    plan = make_plan(recipe, _probe(distributions) * grid(seed=range(num_seeds)), data)
    if metric not in plan.metrics:
        raise unknown_name("metric", metric, plan.metrics)
    return translated


def _check_direction(study: optuna.Study, metric: str) -> None:
    if len(study.directions) != 1:
        raise InputError(f"a study to be told {metric!r} has one objective, got {len(study.directions)}")
    try:
        wanted = ("maximize", "minimize")[rank(np.array([1.0, 0.0]), metric)[0]]
    except InputError:  # a metric of one's own, whose name says nothing: the study alone knows
        return
    if study.direction.name.lower() != wanted:
        raise InputError(
            f"the study's direction is {study.direction.name.lower()}, expected {wanted} for {metric!r}: "
            f"optuna.create_study(direction={wanted!r})"
        )


def _check_trials(study: optuna.Study, translated: Mapping[str, BaseDistribution]) -> None:
    """Refuse a study whose trials are of another search: a sampler cannot learn from them, nor can a store."""
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.COMPLETE and trial.params.keys() != translated.keys():
            raise InputError(
                f"trial {trial.number} of the study has the axes {sorted(trial.params)}, "
                f"got {sorted(translated)}; a study keeps its axes, so make another one"
            )
        for name in trial.distributions.keys() & translated.keys():
            old, new = trial.distributions[name], translated[name]
            try:
                check_distribution_compatibility(old, new)
            except ValueError:
                raise InputError(
                    f"axis {name!r} was drawn from {old} in trial {trial.number} of the study, got {new}; "
                    "only bounds may change, so make another study"
                ) from None


def _probe(distributions: Mapping[str, Distribution]) -> Space:
    """Build a space with every bound and every choice, one axis at a time, to find what a recipe refuses."""
    ends = {
        name: list(
            axis_values(name, distribution.values if isinstance(distribution, Choice) else distribution[:])
        )
        for name, distribution in distributions.items()
    }
    first = {name: values[:1] for name, values in ends.items()}
    return union(*(grid(**{**first, name: values}) for name, values in ends.items()))
