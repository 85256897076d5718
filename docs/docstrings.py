"""What docstrings write as Markdown does, in reStructuredText, which autodoc reads.

These are code spans, tables, indented code and the fields of classes (`name: text`). Sections such as "Args:" are left to
napoleon.
"""

import inspect
import re
from collections.abc import Iterator

import fnnet

_LINKED = {
    name
    for name in fnnet.__all__
    if inspect.isroutine(getattr(fnnet, name))
    or inspect.isclass(getattr(fnnet, name))
}
_FIELDS = re.compile(r"(\w+(?:, \w+)*): (.*)")
_SPAN = re.compile(r"`([^`]+)`")


def restructured(
    lines: list[str], own: set[str], has_fields: bool
) -> list[str]:
    """Convert the lines of a docstring, given the arguments of the function that it describes, or the fields of the class."""
    linked = _LINKED - own
    converted: list[str] = []
    for kind, block in _blocks(lines):
        if kind == "code":
            converted += ["::", "", *block]
        elif kind == "table":
            converted += _table(block, linked)
        elif kind == "doctest":
            converted += block
        else:
            fields = own if has_fields else set()
            converted += _mark_fields(_spans(block, linked), fields)
    return converted


def _blocks(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Split at blank lines, which stay at the ends of blocks, and around doctests."""
    kind, block, after_blank, outside = "text", [], True, True
    for line in lines:
        if line.strip():
            new = _kind(line, kind, after_blank, outside)
            if block and (new != kind or (after_blank and new != "code")):
                yield kind, block
                block = []
            kind = new
            outside = outside if kind == "code" else not line.startswith(" ")
        after_blank = not line.strip()
        block.append(line)
    yield kind, block


def _kind(line: str, last: str, after_blank: bool, outside: bool) -> str:
    begins = line.lstrip()
    if begins.startswith(">>>") or (last == "doctest" and not after_blank):
        return "doctest"
    if begins.startswith(("| ", "|-")):
        return "table"
    if line.startswith("    ") and (
        (after_blank and outside) or last == "code"
    ):
        return "code"
    return "text"


def _spans(lines: list[str], linked: set[str]) -> list[str]:
    """Link names, write other `code` with two backticks, and escape bars, stars and final underscores outside."""
    pieces = _SPAN.split("\n".join(lines))
    for index, piece in enumerate(pieces):
        if index % 2:
            pieces[index] = (
                f":py:obj:`{piece} <fnnet.{piece}>`"
                if piece in linked
                else "``" + " ".join(piece.split()) + "``"
            )
        else:
            piece = piece.replace("|", r"\|").replace(", **", r", \*\*")
            piece = re.sub(r"(?<=\w)_(?!\w)", r"\\_", piece)
            pieces[index] = (
                "\\ " + piece if index and piece[:1].isalnum() else piece
            )  # the s of `Task`s
    return "".join(pieces).split("\n")


def _table(lines: list[str], linked: set[str]) -> list[str]:
    rows = [
        line.strip().strip("|").split(" | ") for line in lines if line.strip()
    ]
    rows = [row for row in rows if not set("".join(row)) <= set("-:|")]
    listed = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        cells = _spans([cell.strip() for cell in row], linked)
        listed += [
            ("   * - " if index == 0 else "     - ") + cell
            for index, cell in enumerate(cells)
        ]
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    return [indent + line if line else line for line in listed] + [""]


def _mark_fields(lines: list[str], fields: set[str]) -> list[str]:
    """Put fields under the heading that napoleon knows."""
    marked, in_fields = [], False
    for line in lines:
        match = _FIELDS.match(line)
        names = match[1].split(", ") if match else []
        if names and fields.issuperset(names):
            marked += [] if in_fields else ["Attributes:"]
            in_fields = True
        else:
            in_fields = in_fields and line.startswith(" ")
        marked.append("    " + line if in_fields else line)
    return marked
