"""Options: how a sweep or a search is carried out."""

import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from fnnet.engines.engine import Engine
from fnnet.errors import InputError, check_integer, unknown_name
from fnnet.sweeps.events import Event


@dataclass(frozen=True)
class Options:
    """The options that `sweep`, `prepare`, `successive_halving`, `hyperband` and `optimize` take as keywords.

    eval_every: evaluate every this many steps and at the end; None to evaluate only at the end.
    store: a folder that keeps every finished chunk. Rerunning resumes an interrupted sweep, and a sweep whose space has
        grown trains only the new runs. None keeps nothing.
    lanes: runs that train together on one device; None to choose for each group.
    state_every: seconds between saves of a chunk that is training; workers in other processes return it as often, so
        a lost one costs no more.
    save_params: whether to keep the trained parameters, for `Results.params`. Stored runs without parameters are
        trained again. None keeps them if there is a store and they take at most 1 GB in all.
    keep_states: whether a sweep keeps the last states of its runs, so that it can train for more steps later: the same
        call with a larger `num_steps` trains only the steps that are missing, to the same bits as a longer sweep. Not
        for tasks that read `num_steps`, whose runs are others when they are longer.
    accept_fingerprint: resume a store that was made with other versions, another device or another recipe; the new rows
        carry another `fingerprint`. Other data always need another store.
    metric: what progress ranks runs by; None to choose.
    show_progress: whether to report progress on stderr: a bar on a terminal, otherwise a line now and then.
    engine: where chunks train, see `fnnet.engines`; None for this process. `prepare` hands it the recipe and the data.
    on_error: what to do when training a chunk raises an error: "stop", or "continue" with the other chunks; its runs are
        missing from the results then, and the same sweep tries them again.
    on_event: called with every event of `fnnet.sweeps.events`. What it raises ends the sweep; finished chunks are kept.

    Example:
        >>> options = {"eval_every": 5, "lanes": 2}
        >>> make_options(options).eval_every  # as sweep(recipe, space, data, num_steps=..., **options) does
        5
    """

    eval_every: int | None = None
    store: str | os.PathLike[str] | None = None
    lanes: int | None = None
    state_every: float = 60.0
    save_params: bool | None = None
    keep_states: bool = False
    accept_fingerprint: bool = False
    metric: str | None = None
    show_progress: bool = False
    engine: Engine | None = None
    on_error: str = "stop"
    on_event: Callable[[Event], None] | None = None


def make_options(given: dict[str, Any]) -> Options:
    """Build options from keyword arguments.

    Raises:
        InputError: when a name is unknown or a value cannot be used.

    Example:
        >>> make_options({"lanes": 8}).lanes
        8
    """
    names = [field.name for field in fields(Options)]
    for name in given:
        if name not in names:
            raise unknown_name("option", name, names)
    options = Options(**given)
    if options.lanes is not None:
        check_integer("lanes", options.lanes)
    seconds = options.state_every
    if not isinstance(seconds, int | float) or not seconds >= 0:
        raise InputError(f"state_every must be a number of seconds, at least 0, got {seconds!r}")
    if options.on_error not in ("stop", "continue"):
        raise unknown_name("on_error", options.on_error, ["stop", "continue"])
    if options.engine is not None and not isinstance(options.engine, Engine):
        raise InputError(
            f"engine must be one of fnnet.engines, such as engines.local(), got {options.engine!r}"
        )
    if options.on_event is not None and not callable(options.on_event):
        raise InputError(f"on_event must be a function of an event, got {options.on_event!r}")
    if options.save_params and options.store is None:
        raise InputError("save_params=True keeps parameters in a store; pass its folder as store=...")
    if options.keep_states and options.store is None:
        raise InputError("keep_states=True keeps states in a store; pass its folder as store=...")
    return options
