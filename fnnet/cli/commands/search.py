"""`fnnet search`: choose runs as results arrive, with halving, Hyperband or Optuna."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from fnnet.cli import output
from fnnet.cli.data_options import DataOptions
from fnnet.cli.engine_options import EngineOptions
from fnnet.cli.formats import Flag
from fnnet.cli.preparation import Axes, Data, Engine, Subject, load_subject, naming_the_rate
from fnnet.errors import InputError, check_integer
from fnnet.space.text import parse_distributions

if TYPE_CHECKING:
    from fnnet.records.results import Results
    from fnnet.space.space import Space

Method = Literal["halving", "hyperband", "optuna"]
OF_METHOD: dict[str, tuple[str, ...]] = {
    "halving": ("rungs",),
    "hyperband": ("max_steps", "min_steps"),
    "optuna": ("steps", "num_trials", "batch_size", "num_seeds"),
}
"""Options of a single method, which requires all of them except --num-seeds."""


def search(
    method: tyro.conf.Positional[Annotated[Method, tyro.conf.arg(metavar="METHOD")]],
    axes: Axes,
    /,
    *,
    metric: str,
    data: Data = DataOptions(),
    recipe: str | None = None,
    rungs: str | None = None,
    max_steps: int | None = None,
    min_steps: int | None = None,
    factor: float = 4.0,
    over: str = "seed",
    num_configs: int | None = None,
    steps: int | None = None,
    num_trials: int | None = None,
    batch_size: int | None = None,
    num_seeds: int | None = None,
    search_seed: int = 0,
    higher_is_better: Flag = False,
    lower_is_better: Flag = False,
    eval_every: int | None = None,
    out: Path | None = None,
    lanes: int | None = None,
    state_every: float = 60.0,
    save_params: Flag = False,
    no_save_params: Flag = False,
    accept_fingerprint: Flag = False,
    engine: Engine = EngineOptions(),
) -> None:
    """Search for the best configuration with halving, hyperband or optuna.

        fnnet search halving --rungs 50,200 --metric test_loss learning_rate=log:0.1:1:8

    Axes are as for sweep, or drawn: log:LOW:HIGH, lin:LOW:HIGH, int:LOW:HIGH. The same command resumes a search.
    Instead of METHOD, a file such as the search.toml of fnnet init may be given; words after it override the file.

    Args:
        method: halving, hyperband or optuna.
        axes: the axes, as NAME=VALUES.
        metric: the metric that ranks configurations.
        data: the data set.
        recipe: a recipe of your own, as MODULE:FUNCTION.
        rungs: of halving: the steps of each rung, as 50,200,800.
        max_steps: of hyperband: updates of a full run.
        min_steps: of hyperband: updates of the shortest runs.
        factor: of these two: promote one in X at each rung.
        over: of these two: axes to average over, as A,B.
        num_configs: of these two: number of configurations to draw.
        steps: of optuna: updates of each run.
        num_trials: of optuna: total number of configurations.
        batch_size: of optuna: configurations that train together.
        num_seeds: of optuna: runs of each configuration; by default 1.
        search_seed: seed of the drawn axes and of the sampler.
        higher_is_better: for a metric of your own: maximize it.
        lower_is_better: for a metric of your own: minimize it.
        eval_every: steps between evaluations, for curves.
        out: folder of the search; by default results/DATASET-METHOD-AXES.
        lanes: runs that train together on a device; else automatic.
        state_every: seconds between saves of unfinished runs.
        save_params: keep the trained parameters.
        no_save_params: do not keep the trained parameters.
        accept_fingerprint: continue with other versions or another device.
        engine: where to train.
    """
    engine.check()
    given = {
        "rungs": rungs,
        "max_steps": max_steps,
        "min_steps": min_steps,
        "steps": steps,
        "num_trials": num_trials,
        "batch_size": batch_size,
        "num_seeds": num_seeds,
    }
    _check(method, given, higher_is_better and lower_is_better)
    direction = True if higher_is_better else False if lower_is_better else None
    listed, drawn = parse_distributions(axes)
    if not listed and not drawn:
        raise InputError("a search needs at least one axis, such as learning_rate=log:1e-3:1")
    space = None if method == "optuna" else _space(listed, drawn, num_configs, search_seed)
    subject = load_subject(data, recipe, out, [method, *drawn, *listed])
    with engine.open() as workers, naming_the_rate([*drawn, *listed]):
        options: dict[str, Any] = {
            "metric": metric,
            "eval_every": eval_every,
            "store": subject.folder,
            "lanes": lanes,
            "state_every": state_every,
            "save_params": save_params or (False if no_save_params else None),
            "accept_fingerprint": accept_fingerprint,
            "engine": workers,
            "show_progress": True,
        }
        if space is None:
            results = _optimize(subject, listed, drawn, given, search_seed, direction, options)
        else:
            names = [axis.strip() for axis in over.split(",") if axis.strip()]
            options |= {"factor": factor, "over": names, "higher_is_better": direction}
            results = _halve(subject, space, given, search_seed, options)
    output.print_ranked(results, metric, direction)
    for path in output.write_results(results, metric, subject.folder, heatmap=False):
        output.print_line(f"wrote {path}")
    if space is not None and len(results) < len(space):
        output.print_line(f"{len(space) - len(results):,} of {len(space):,} runs were given up")
        sys.exit(1)


def _check(method: str, given: dict[str, Any], is_contradiction: bool) -> None:
    """Check that the options of the method are given, and none of another method."""
    for other, names in OF_METHOD.items():
        for name in names:
            flag = f"--{name.replace('_', '-')}"
            if given[name] is not None and other != method:
                raise InputError(f"{flag} is for {other}, got {method}")
            if given[name] is None and other == method and name != "num_seeds":
                raise InputError(f"{method} needs {flag}")
            if isinstance(given[name], int):
                check_integer(flag, given[name])
    if is_contradiction:
        raise InputError("--higher-is-better and --lower-is-better contradict each other")


def _space(listed: Any, drawn: Any, num_configs: int | None, seed: int) -> "Space":
    """Build the space of a halving or Hyperband search: the product of a random design and a grid."""
    from fnnet.space.designs import random_design
    from fnnet.space.grids import grid

    if not drawn:
        if num_configs is not None:
            raise InputError("--num-configs is for axes to draw from, such as learning_rate=log:1e-3:1")
        return grid(**listed)
    if num_configs is None:
        raise InputError(f"{next(iter(drawn))} is drawn, so --num-configs must be given")
    check_integer("--num-configs", num_configs)
    space = random_design(num_configs, seed=seed, **drawn)
    return space * grid(**listed) if listed else space


def _halve(
    subject: Subject, space: "Space", given: dict[str, Any], seed: int, options: dict[str, Any]
) -> "Results":
    """Search with successive halving or Hyperband."""
    if given["rungs"] is not None:
        from fnnet.search.halving import successive_halving

        rungs = _integers("--rungs", given["rungs"])
        return successive_halving(subject.recipe, space, subject.data, rungs=rungs, **options)
    from fnnet.search.hyperband import hyperband

    limits = {name: given[name] for name in OF_METHOD["hyperband"]}
    return hyperband(subject.recipe, space, subject.data, seed=seed, **limits, **options)


def _optimize(
    subject: Subject,
    listed: Any,
    drawn: Any,
    given: dict[str, Any],
    seed: int,
    direction: bool | None,
    options: dict[str, Any],
) -> "Results":
    """Search with Optuna. The study is in memory; repeating the command replays it from the store."""
    try:
        from fnnet.search.optuna import optimize
    except ImportError as error:
        raise InputError(str(error)) from error
    import optuna

    from fnnet.records.ranking import is_higher_better
    from fnnet.space.designs import Choice

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    is_higher = is_higher_better(options["metric"], {}, direction)
    study = optuna.create_study(
        direction="maximize" if is_higher else "minimize", sampler=optuna.samplers.TPESampler(seed=seed)
    )
    return optimize(
        subject.recipe,
        {**drawn, **{name: Choice(values) for name, values in listed.items()}},
        subject.data,
        study,
        num_trials=given["num_trials"],
        batch_size=given["batch_size"],
        num_steps=given["steps"],
        num_seeds=given["num_seeds"] or 1,
        **options,
    )


def _integers(flag: str, text: str) -> list[int]:
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise InputError(f"{flag} must be integers, such as 50,200,800; got {text!r}") from None
