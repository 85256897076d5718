"""The command-line options that select how a table is printed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from fnnet.cli.output import print_json, print_table
from fnnet.errors import InputError

if TYPE_CHECKING:
    import polars as pl

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]


@dataclass(frozen=True)
class FormatOptions:
    """The format of a table: CSV and JSON hold all columns in full precision, other formats a summary.

        fnnet results results/digits --csv > table.csv

    Args:
        csv: print comma-separated values.
        json: print JSON, with null for numbers that are not finite.
        markdown: print a table for Markdown.
        latex: print a LaTeX tabular, with the rules of booktabs.
    """

    csv: Flag = False
    json: Flag = False
    markdown: Flag = False
    latex: Flag = False

    def choice(self) -> str | None:
        """Return the chosen format; None for a table for the terminal.

        Raises:
            InputError: when more than one is chosen.

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
            table: the whole table in full precision, for CSV and JSON.
            headings: the headings of the columns that the other formats show.
            lines: the rows of these columns, as text.
            title: the title of a table for the terminal.
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
