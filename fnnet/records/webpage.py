"""Web pages: HTML that notebooks show and that can be saved."""

import html
import os
from dataclasses import dataclass, field
from pathlib import Path

from fnnet.records.durable import write_file


@dataclass(frozen=True)
class WebPage:
    """A web page, one HTML file that needs nothing else.

    html: the file.

    Example:
        >>> WebPage("<!DOCTYPE html><title>a page</title>")
        WebPage()
    """

    html: str = field(repr=False)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, in place of an older one.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     WebPage("<p>text</p>").save(f"{folder}/page.html")
            ...     Path(f"{folder}/page.html").read_text()
            '<p>text</p>'
        """
        write_file(Path(path), self.html.encode(), os.replace)

    def _repr_html_(self) -> str:
        """Show the page in a frame, which isolates its styles and scripts from those of the notebook."""
        style = "width:100%;height:85vh;min-height:600px;border:1px solid #8888;border-radius:6px"
        return f'<iframe srcdoc="{html.escape(self.html)}" style="{style}"></iframe>'
