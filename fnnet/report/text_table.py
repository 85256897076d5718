"""Tables of text: for the terminal, for Markdown and for LaTeX."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fnnet.errors import unknown_name

if TYPE_CHECKING:
    from rich.table import Table

STYLES = ("markdown", "latex")


def text_table(
    headings: Sequence[str],
    lines: Sequence[Sequence[str]],
    *,
    title: str = "",
    style: str | None = None,
    whole: Sequence[str] = (),
) -> "Table | str":
    """Format cells as a table.

    Args:
        headings: the headings of the columns.
        lines: the rows, each with one cell per column.
        title: the title of a table for the terminal.
        style: "markdown"; "latex", a `tabular` with the rules of booktabs; None for the terminal.
        whole: columns whose cells are never wrapped.

    Raises:
        InputError: when the style is unknown.

    Example:
        >>> print(text_table(["depth", "test_loss"], [["1", "0.5 ± 0.1"]], style="markdown"))
        | depth | test_loss |
        |---:|---:|
        | 1 | 0.5 ± 0.1 |
    """
    if style == "markdown":
        return _markdown(headings, lines)
    if style == "latex":
        return _latex(headings, lines)
    if style is not None:
        raise unknown_name("style", style, STYLES)
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), min_width=len(title))
    for heading in headings:
        table.add_column(escape(heading), justify="right", no_wrap=heading in whole)
    for cells in lines:
        table.add_row(*map(escape, cells))
    return table


def _markdown(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    special = str.maketrans({"|": "\\|", "\n": " "})
    texts = [f"| {' | '.join(cell.translate(special) for cell in row)} |" for row in [headings, *lines]]
    return "\n".join([texts[0], "|" + "---:|" * len(headings), *texts[1:]])


def _latex(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Format a table for LaTeX.

    Example:
        >>> print(_latex(["test_loss"], [["0.5 ± 0.1"]]))
        \\begin{tabular}{r}
        \\toprule
        test\\_loss \\\\
        \\midrule
        0.5 $\\pm$ 0.1 \\\\
        \\bottomrule
        \\end{tabular}
    """
    special = {sign: f"\\{sign}" for sign in "&%$#_{}"} | {"±": r"$\pm$", "\\": r"\textbackslash{}"}
    special |= {"^": r"\^{}", "~": r"\~{}", "\n": " "}
    table = str.maketrans(special)
    top, *rest = (" & ".join(cell.translate(table) for cell in row) + r" \\" for row in [headings, *lines])
    rules = [f"\\begin{{tabular}}{{{'r' * len(headings)}}}", r"\toprule", top, r"\midrule", *rest]
    return "\n".join([*rules, r"\bottomrule", r"\end{tabular}"])
