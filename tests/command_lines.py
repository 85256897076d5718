"""Command lines: what people type, and the answers to their mistakes."""

import re
import shlex

import pytest

from fnnet.cli.main import main

RATE = "learning_rate=0.1"


def mistakes(*tables, at_least):
    """Parametrize a test by lines and a phrase of the answer to each; no line may be there twice."""
    rows = [row for table in tables for row in table]
    assert len({line for line, _ in rows}) == len(rows) >= at_least
    return pytest.mark.parametrize(("line", "phrase"), rows, ids=lambda part: None)


def run(line, capsys):
    """Run a command line; return its exit code, what it printed, and what it wrote to stderr."""
    words = shlex.split(line)
    if words[:1] in (["sweep"], ["plan"]) and "--dataset" not in words:
        words = [words[0], "--dataset", "iris", *words[1:]]
    try:
        main(words)
    except SystemExit as stop:
        return stop.code or 0, *capsys.readouterr()
    return 0, *capsys.readouterr()


def check_answer(line, phrase, place, capsys):
    before = sorted(place.rglob("*"))
    code, printed, error = run(line, capsys)
    assert code == 2 and phrase in error, f"{code}: {error}"
    described = r"[^\n]+ features[^\n]+ train / [^\n]+\n"  # the data, where they were loaded before the mistake was found
    assert re.fullmatch(f"({described})?", printed), printed
    if line:  # without any words, the commands are listed
        assert error.startswith("fnnet: ") and error.count("\n") == 1, error
    assert sorted(place.rglob("*")) == before
    assert (place / "afile").read_text() == "precious"
