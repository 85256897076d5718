"""The code in pages of the documentation runs as written, in order, and prints what the pages say it prints.

A `text` block right after a `python` block is what that block prints. Of `console` blocks, the lines that call fnnet run.
Training differs in last digits between machines, so
a number with a point may differ by one in its last digit, and a number after "about" by a tenth.
"""

import re
import shlex
from pathlib import Path

import jax
import pytest

from fnnet.cli.main import main

DOCS = Path(__file__).parent.parent / "docs"
PAGES = [
    "concepts.md",
    "tour.md",
    "tutorial.md",
    *sorted(f"howto/{page.name}" for page in DOCS.glob("howto/*.md")),
]

BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$(?:\s+^```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
NUMBER = re.compile(r"(about )?(-?\d+(?:\.(\d*))?(?:e[+-]?\d+)?)")


def check_printed(printed, said):
    def words(text):
        return NUMBER.sub(" # ", text).split()

    assert words(printed) == words(said), printed
    for came, (about, expected, decimals) in zip(NUMBER.findall(printed), NUMBER.findall(said), strict=True):
        last_digit = 10.0 ** -len(decimals) if "." in expected else 0
        tolerance = 0.1 * float(expected) if about else 1.01 * last_digit
        assert abs(float(came[1]) - float(expected)) <= tolerance, printed


def run_commands(lines):
    for line in lines.splitlines():
        if line.startswith("fnnet "):
            main(shlex.split(line, comments=True)[1:])


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_code_runs_as_written(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names = {"__name__": "__main__"}
    blocks = BLOCK.findall((DOCS / page).read_text())
    assert blocks
    for language, code, said in blocks:
        with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):  # as for users
            if language == "python":
                exec(compile(code, page, "exec"), names)
            else:
                run_commands(code)
        printed = capsys.readouterr().out
        if said:
            check_printed(printed, said)


def test_only_last_digits_may_differ():
    check_printed("accuracy 0.966 of 5, rank about 21", "accuracy  0.967\nof 5, rank about 20")
    for wrong in ("accuracy 0.969 of 5", "accuracy 0.967 of 6", "error 0.967 of 5"):
        with pytest.raises(AssertionError):
            check_printed(wrong, "accuracy 0.967 of 5")
