"""Search with Optuna's samplers, which propose batches of trials. Each batch trains as one sweep.

A single trial would leave all lanes but one empty. The study keeps the trials, and the store keeps their runs.
"""

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fnnet.errors import InputError, check_integer, unknown_name
from fnnet.lanes.program import use_all_cores
from fnnet.records.ranking import is_higher_better
from fnnet.records.results import Results
from fnnet.records.rows import Rows, collect
from fnnet.records.statistics import find_configurations
from fnnet.space.designs import Choice, Distribution, IntUniform, LogUniform, Uniform, random_design
from fnnet.space.grids import grid, zip_axes
from fnnet.space.space import Config, Space, union
from fnnet.space.values import Value, axis_values
from fnnet.sweeps.execution import sweep
from fnnet.sweeps.options import make_options
from fnnet.sweeps.plan import make_plan
from fnnet.task import Recipe
from fnnet.training import check_steps
from fnnet.types import PyTree

try:
    import optuna
except ImportError as _error:
    raise ImportError("fnnet.search.optuna needs Optuna: pip install 'fnnet[optuna]'") from _error

from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

_MAX_INTEGER = 2**53  # Optuna stores integers as float64


def optimize(
    recipe: Recipe,
    distributions: Mapping[str, Distribution],
    data: PyTree,
    study: optuna.Study,
    *,
    metric: str,
    num_trials: int,
    batch_size: int,
    num_steps: int,
    num_seeds: int = 1,
    **options: Any,
) -> Results:
    """Optimize a metric with the sampler of a study, one batch of configurations at a time.

    A batch trains as one sweep, with all seeds, and the study is told the mean of the metric over seeds. A mean that is
    not finite is reported as the worst value: infinity when minimizing, minus infinity when maximizing. Equal
    configurations get the same value.

    These samplers of Optuna suit batches:

    - `TPESampler(constant_liar=True)`, the default from Optuna 5 on, keeps the trials of a batch apart.
    - `GPSampler()` does so from Optuna 5 on; it needs PyTorch.
    - `CmaEsSampler(popsize=batch_size)` makes each batch a generation, except the first, which is random. It always
      samples a `Choice` at random.

    To resume a search, repeat the call with a study in one of Optuna's storages and the same `store`, but give the
    sampler another seed, or it repeats its first trials. Ctrl-C marks the running trials as failed and queues them
    again for the next call. A killed process leaves its trials RUNNING; mark them as failed yourself.

    Args:
        recipe: as for `sweep`.
        distributions: the distribution of each axis.
        data: as for `sweep`.
        study: a study with one objective and the direction of the metric.
        metric: the column of the results to optimize, such as "validation_accuracy".
        num_trials: total number of completed trials in the study, including those of earlier calls.
        batch_size: number of trials proposed together.
        num_steps: number of updates of each run.
        num_seeds: number of runs per configuration, with seeds 0, 1, ...; the task reads the axis "seed".
        **options: the fields of `Options`; `store` keeps the runs of all batches and calls as one sweep.

    Returns:
        The results, one row per run in the order of the trials, without duplicates. With a store they cover the whole
        study (missing runs of earlier trials are trained), otherwise this call.

    Raises:
        InputError: if an argument is invalid or does not match the study or the store, before any training.
        KeyboardInterrupt: after Ctrl-C, once finished runs are saved.

    Source: Akiba et al. (2019), "Optuna: a next-generation hyperparameter optimization framework"; its
    ask-and-tell interface.

    Example:
        >>> from fnnet import load_dataset, mlp_recipe
        >>> data = load_dataset("iris")
        >>> sampler = optuna.samplers.TPESampler(seed=0)
        >>> study = optuna.create_study(direction="minimize", sampler=sampler)
        >>> distributions = {"learning_rate": LogUniform(0.001, 1), "momentum": Uniform(0, 0.9)}
        >>> results = optimize(
        ...     mlp_recipe(data), distributions, data, study, metric="train_loss",
        ...     num_trials=8, batch_size=4, num_steps=20, num_seeds=2,
        ... )
        >>> results.table().height, len(study.trials)
        (16, 8)
        >>> results.best("train_loss").interval.mean == study.best_value
        True
    """
    store = make_options(options).store
    check_integer("num_trials", num_trials)
    check_integer("batch_size", batch_size)
    check_integer("num_seeds", num_seeds)
    check_steps(num_steps, options.get("eval_every"))
    if not distributions:
        raise InputError("a search needs at least one axis, such as {'learning_rate': LogUniform(0.001, 1)}")
    if "seed" in distributions:
        raise InputError("the axis 'seed' cannot have a distribution; use num_seeds")
    translated = {name: translate(name, distribution) for name, distribution in distributions.items()}
    _check_trials(study, translated)
    seeds = grid(seed=range(num_seeds))
    use_all_cores()
    plan = make_plan(recipe, _probe(distributions) * seeds, data, num_steps)
    if metric not in plan.metrics:
        raise unknown_name("metric", metric, plan.metrics)
    _check_direction(study, metric, plan.higher_is_better)
    if store is None and num_trials <= len(_trials(study)):
        raise InputError(
            f"num_trials must exceed the {len(_trials(study))} completed trials of the study without a store, "
            f"got {num_trials}"
        )
    # A diverged trial gets an infinite value, from which samplers learn; they ignore trials that are marked as failed.
    worst = -math.inf if study.direction == StudyDirection.MAXIMIZE else math.inf
    configs = [_config(trial.params, distributions) for trial in _trials(study)] if store is not None else []
    parts: list[Rows] = []

    def train(configs: Sequence[Config]) -> Results:
        """Train the new runs of some configurations, and return the results of all their runs."""
        space = _space(configs) * seeds
        if store is not None:  # the sweep skips what the store has
            return sweep(recipe, space, data, num_steps=num_steps, **options)
        done = {run_id for part in parts for run_id in part["id"]}
        new = [run for run, run_id in enumerate(space.ids().tolist()) if run_id not in done]
        if new:
            results = sweep(recipe, space.take(new), data, num_steps=num_steps, **options)
            parts.append({name: results[name] for name in results if name not in space.axes})
        return collect(space, parts, higher_is_better=plan.higher_is_better)

    results = None
    while (num_missing := num_trials - len(_trials(study))) > 0:
        with _asked(study, translated, min(batch_size, num_missing)) as trials:
            proposed = [_config(trial.params, distributions) for trial in trials]
            configs += proposed
            results = train(configs)
            for trial, mean in zip(trials, _means(results, metric, configs, proposed), strict=True):
                study.tell(trial, mean if math.isfinite(mean) else worst)
    return train(configs) if results is None else results


def translate(name: str, distribution: Distribution) -> BaseDistribution:
    """Convert the distribution of an axis to the equivalent one of Optuna.

    The categories of a `Choice` are its values if Optuna can store and distinguish them, otherwise strings, such as
    "(64, 32)" for a tuple.

    Raises:
        InputError: if bounds are invalid, or integers are too large for Optuna.

    Example:
        >>> translate("learning_rate", LogUniform(0.001, 1))
        FloatDistribution(high=1.0, log=True, low=0.001, step=None)
        >>> translate("widths", Choice([(64,), (64, 32)]))
        CategoricalDistribution(choices=('(64,)', '(64, 32)'))
    """
    random_design(1, seed=0, **{name: distribution})  # checks the bounds
    match distribution:
        case Choice():
            return optuna.distributions.CategoricalDistribution(list(_categories(name, distribution)))
        case IntUniform(low, high):
            if max(abs(low), abs(high)) > _MAX_INTEGER:
                raise InputError(f"axis {name!r} needs integers from -2**53 to 2**53, got {distribution}")
            return optuna.distributions.IntDistribution(low, high)
        case LogUniform(low, high):
            return optuna.distributions.FloatDistribution(low, high, log=True)
        case Uniform(low, high):
            return optuna.distributions.FloatDistribution(low, high)


def _categories(name: str, choice: Choice) -> dict[Any, Value]:
    """Return the values of a choice by their categories in a study."""
    values = axis_values(name, choice.values)
    # Strings instead of indices: Optuna refuses to change categories, so old trials keep their meaning. Optuna does not
    # distinguish True from 1.
    is_plain = not any(isinstance(value, tuple) for value in values) and len(set(values)) == len(values)
    return dict(zip(values if is_plain else map(repr, values), values, strict=True))


def _config(params: Mapping[str, Any], distributions: Mapping[str, Distribution]) -> Config:
    """Convert the parameters of a trial to a configuration."""
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
    # Seeds change fastest, so means are in the order of the space of configurations.
    means = find_configurations(results.space, "seed").mean_interval(results[metric]).mean.tolist()
    mean_of = dict(zip(_space(configs).ids().tolist(), means, strict=True))
    return [mean_of[_space([config]).ids()[0]] for config in proposed]


@contextlib.contextmanager
def _asked(
    study: optuna.Study, translated: dict[str, BaseDistribution], number: int
) -> Iterator[list[Trial]]:
    """Ask for trials, and mark the unfinished ones as failed if the body raises."""
    others = {trial.number for trial in _trials(study, TrialState.RUNNING)}
    trials: list[Trial] = []
    try:
        for _ in range(number):
            trials.append(study.ask(translated))
        yield trials
    except BaseException as error:
        numbers = {trial.number for trial in trials}
        for running in _trials(study, TrialState.RUNNING):
            # A trial that lacks parameters is one whose `ask` raised: those of other processes lack them only briefly.
            incomplete = running.number not in others and len(running.params) < len(translated)
            if running.number in numbers or incomplete:
                study.tell(running.number, state=TrialState.FAIL)
            # Interrupted trials come first in the next call, since the store may have some of their runs.
            if running.number in numbers and not isinstance(error, Exception):
                study.enqueue_trial(running.params)
        raise


def _trials(study: optuna.Study, state: TrialState = TrialState.COMPLETE) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(state,))


def _check_direction(study: optuna.Study, metric: str, known: Mapping[str, bool]) -> None:
    if len(study.directions) != 1:
        raise InputError(f"a study of {metric!r} must have one objective, got {len(study.directions)}")
    try:
        wanted = "maximize" if is_higher_better(metric, known) else "minimize"
    except InputError:  # the direction of the metric is not known
        return
    if study.direction.name.lower() != wanted:
        raise InputError(
            f"the study's direction is {study.direction.name.lower()}, expected {wanted} for {metric!r}: "
            f"optuna.create_study(direction={wanted!r})"
        )


def _check_trials(study: optuna.Study, translated: Mapping[str, BaseDistribution]) -> None:
    """Check that the trials of the study have the same axes and compatible distributions."""
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.COMPLETE and trial.params.keys() != translated.keys():
            raise InputError(
                f"the axes must be those of trial {trial.number} of the study, {sorted(trial.params)}, "
                f"got {sorted(translated)}; use a new study"
            )
        for name in trial.distributions.keys() & translated.keys():
            old, new = trial.distributions[name], translated[name]
            try:
                check_distribution_compatibility(old, new)
            except ValueError:
                raise InputError(
                    f"axis {name!r} has the distribution {old} in trial {trial.number} of the study, got {new}; "
                    "only bounds may change, so use a new study"
                ) from None


def _probe(distributions: Mapping[str, Distribution]) -> Space:
    """Build a space with every bound and choice, one axis at a time, to check them against the recipe."""
    # The fields of a distribution are its bounds; that of a choice, its values.
    ends = {name: d.values if isinstance(d, Choice) else d[:] for name, d in distributions.items()}
    axes = {name: axis_values(name, values) for name, values in ends.items()}
    first = {name: values[:1] for name, values in axes.items()}
    return union(*(grid(**{**first, name: values}) for name, values in axes.items()))
