"""Provenance: how a sweep was made, as its store records."""

import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fnnet.errors import InputError
from fnnet.records.attempts import read_attempts
from fnnet.records.results import Results
from fnnet.space.stored import space_from_json
from fnnet.sweeps.progress import seconds_in_words


class Fact(NamedTuple):
    """A fact about how a sweep was made.

    name: a label, such as "data".
    text: the fact.
    is_code: whether the text is to be copied verbatim.
    """

    name: str
    text: str
    is_code: bool = False


class Made(NamedTuple):
    """How a sweep was made.

    title: the title of the page.
    facts: the facts in the order of the page.
    num_planned: the number of runs of the sweep, finished or not; None without a store.
    ranked_by: the metric by which a search chose runs; None for a sweep.
    """

    title: str
    facts: list[Fact]
    num_planned: int | None = None
    ranked_by: str | None = None


def describe_made(results: Results) -> Made:
    """Describe how a sweep was made, from its store.

    Example:
        >>> from fnnet import grid
        >>> made = describe_made(Results(grid(depth=[1, 2]), {"seconds": np.array([1.0, 2.0])}))
        >>> made.title, [fact.name for fact in made.facts]
        ('A sweep of 2 runs', ['store', 'training'])
    """
    try:
        plan = None if results.store is None else results.store.read_plan()
    except InputError:  # damaged: rerunning the sweep repairs it
        plan = None
    if plan is None or results.store is None:
        facts = [Fact("store", "none, so how these runs were made is not recorded"), *_times(results, {})]
        return Made(f"A sweep of {len(results):,} runs", facts)
    facts = [*_command(plan), *_sources(plan), *_environment(results, plan), *_times(results, plan)]
    facts += _attempts(results)
    facts.append(Fact("store", str(results.store.folder.absolute()), is_code=True))
    name = results.store.folder.absolute().name
    return Made(name, facts, len(space_from_json(plan["space"])), plan["settings"].get("rank_by"))


def _command(plan: Mapping[str, Any]) -> list[Fact]:
    command = plan.get("command")
    if not isinstance(command, list):
        return [Fact("command", "a script; its recipe and options are below")]
    words = ["fnnet", *map(str, command[1:])]
    return [Fact("command to repeat it", shlex.join(words), is_code=True)]


def _sources(plan: Mapping[str, Any]) -> list[Fact]:
    facts = []
    recipe, data = plan.get("recipe"), plan.get("data")
    if isinstance(recipe, dict):
        facts.append(Fact("recipe", str(recipe.get("name"))))
    if isinstance(data, dict):
        content = plan["fingerprint"].get("data", "unknown")
        facts.append(Fact("data", f"{data.get('summary') or data.get('name')}; content {content[:16]}"))
    options = {**(plan.get("options") or {}), **plan["settings"]}
    options.pop("runs", None)  # hashes of those in each bracket of a search
    facts.append(Fact("options", _listed(options)))
    return facts


def _environment(results: Results, plan: Mapping[str, Any]) -> list[Fact]:
    fingerprint = plan["fingerprint"]
    facts = [Fact(name, str(fingerprint[name])) for name in ("versions", "device") if name in fingerprint]
    if flags := str(fingerprint.get("flags", "")).strip():
        facts.append(Fact("flags", flags))
    lanes = [f"{_listed(group['static']) or 'all'}: {group['lanes']}" for group in plan["groups"]]
    facts.append(Fact("lanes per device", "; ".join(lanes[:_MOST]) + _more(len(lanes))))
    if "fingerprint" in results:
        names, num_runs = np.unique(results["fingerprint"], return_counts=True)
        counted = [f"{name} ({number:,} runs)" for name, number in zip(names, num_runs, strict=True)]
        facts.append(Fact("fingerprints", ", ".join(counted[:_MOST]) + _more(len(counted))))
    if num_earlier := len(plan["earlier"]):
        facts.append(
            Fact("earlier fingerprints", f"{num_earlier}: other versions, devices or recipes made some runs")
        )
    return facts


def _times(results: Results, plan: Mapping[str, Any]) -> list[Fact]:
    facts = []
    if plan.get("created"):
        facts.append(Fact("created", f"{plan['created']}, last continued {plan.get('updated')}"))
    if "seconds" in results and len(results):
        total = seconds_in_words(float(np.nansum(results["seconds"])))
        facts.append(Fact("training", f"{total} in all, compilation included"))
    return facts


def _attempts(results: Results) -> list[Fact]:
    assert results.store is not None
    attempts = read_attempts(results.store.folder)
    if not attempts.height:
        return []
    workers = attempts.filter(attempts["worker"] != "")["worker"].n_unique()
    outcomes = attempts["outcome"].value_counts(sort=True).rows()
    counted = ", ".join(f"{number:,} {outcome}" for outcome, number in outcomes)
    return [Fact("workers", f"{workers:,}; chunks {counted}")]


def _listed(values: Mapping[str, Any]) -> str:
    """List names and values, except those that are None."""
    return ", ".join(f"{name} {_short(value)}" for name, value in values.items() if value is not None)


def _short(value: Any) -> str:
    text = f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _more(number: int) -> str:
    return f" and {number - _MOST:,} more" if number > _MOST else ""


_MOST = 12  # that are listed
