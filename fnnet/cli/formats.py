"""The command-line options that say how a table is printed."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from fnnet.errors import InputError

if TYPE_CHECKING:
    import polars as pl

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]


@dataclass(frozen=True)
class FormatOptions:
    """How a table is printed: as CSV and JSON whole and in full precision, else what fits.

        fnnet results results/digits --csv > table.csv

    Args:
        csv: print comma-separated values.
        json: print JSON, with null for numbers that are not finite.
        markdown: print a table for Markdown.
        latex: print a tabular of LaTeX, with the rules of booktabs.
    """

    csv: Flag = False
    json: Flag = False
    markdown: Flag = False
    latex: Flag = False

    def choice(self) -> str | None:
        """Return the chosen format; None for that of the terminal.

        Raises:
            InputError: when there are two.

        Example:
            >>> FormatOptions(latex=True).choice(), FormatOptions().choice()
            ('latex', None)
        """
        chosen = [name for name in ("csv", "json", "markdown", "latex") if getattr(self, name)]
        if len(chosen) > 1:
            raise InputError(f"--{chosen[0]} and --{chosen[1]} contradict each other")
        return chosen[0] if chosen else None

    def print(
        self,
        table: "pl.DataFrame",
        headings: Sequence[str],
        lines: Sequence[Sequence[str]],
        title: str = "",
    ) -> None:
        """Print a table in the chosen format.

        Args:
            table: the whole of it, in full precision.
            headings: of the columns that are shown in other formats.
            lines: their cells.
            title: for the terminal.
        """
        chosen = self.choice()
        if chosen == "csv":
            print(table.write_csv(), end="")
        elif chosen == "json":
            print_json(table.to_dicts())
        else:
            print_table(headings, lines, title, chosen)


Format = Annotated[FormatOptions, tyro.conf.arg(name="")]
Json = Flag


def print_table(
    headings: Sequence[str],
    lines: Sequence[Sequence[str]],
    title: str = "",
    style: str | None = None,
    whole: Sequence[str] = (),
) -> None:
    """Print a table for the terminal, for Markdown or for LaTeX."""
    from fnnet.cli.output import print_content
    from fnnet.report.text_table import text_table

    made = text_table(headings, lines, title=title, style=style, whole=whole)
    print(made) if isinstance(made, str) else print_content(made)


def print_json(value: Any) -> None:
    """Print a value as JSON: named tuples as objects, paths as text, numbers that are not finite as null."""
    print(json.dumps(_plain(value), indent=2, ensure_ascii=False))


def _plain(value: Any) -> Any:
    """Return a value in the types of JSON.

    Example:
        >>> _plain({"loss": float("nan"), "widths": (3, 4), "folder": Path("a")})
        {'loss': None, 'widths': [3, 4], 'folder': 'a'}
    """
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
