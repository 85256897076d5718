"""Reports of experiments, and their page."""

import io
import json
from dataclasses import dataclass
from html.parser import HTMLParser

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console
from scipy import stats

import fnnet as fn
from reporting import Claim, table, write_page, write_report


def text_of(table):
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    return console.file.getvalue()


@dataclass(frozen=True)
class Config:
    depths: tuple[int, ...] = (1, 2)


CLAIMS = [
    Claim("wider <is> better", 0.5, fn.mean_interval([0.25, 0.75]), True),
    Claim("nothing diverges", None, {"depth 1": np.float32(np.inf), "depth 2": jnp.array([1.5, 2.0])}, False),
]


def test_report_contains_all_measurements(tmp_path):
    path = write_report(
        tmp_path / "widths.py", "Wide is good.\n\nMore.\n", Config(), CLAIMS, Figure(), {"n": np.int64(3)}
    )
    report = json.loads(path.read_text())
    assert path == tmp_path / "results" / "widths.json" and path.with_suffix(".png").stat().st_size > 1000
    assert report["settings"] == {"depths": [1, 2]} and report["measured"] == {"n": 3}
    low, high = stats.t.interval(0.95, 1, 0.5, stats.sem([0.25, 0.75]))
    first, second = report["assertions"]
    assert first["measured"] == {
        "mean": 0.5,
        "low": pytest.approx(low),
        "high": pytest.approx(high),
        "num_runs": 2,
    }
    assert second == {
        "claim": "nothing diverges",
        "published": None,
        "measured": {"depth 1": "inf", "depth 2": [1.5, 2.0]},
        "holds": False,
    }


def test_the_terminal_shows_every_verdict():
    text = text_of(table(CLAIMS))
    assert "0.5 (-2.677 to 3.677, n = 2)" in text and "depth 1: inf; depth 2: 1.5, 2" in text
    assert text.count("yes") == 1 and text.count("NO") == 1


class Text(HTMLParser):
    """Collects the text of cells and the pictures of a page."""

    def __init__(self, page):
        super().__init__()
        self.cells, self.pictures, self.tag = [], [], None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tag = tag
        if tag == "img":
            self.pictures.append(dict(attributes)["src"])

    def handle_data(self, data):
        if self.tag == "td":
            self.cells.append(data)


def test_the_page_shows_claims_verdicts_and_pictures(tmp_path):
    write_report(tmp_path / "b.py", "Wide is good.", {}, CLAIMS, Figure())
    write_report(tmp_path / "a.py", "No <picture>.", {}, CLAIMS[1:])
    (tmp_path / "results" / "other.json").write_text("[1, 2]")
    (tmp_path / "results" / "broken.json").write_text("{")
    page = write_page(tmp_path / "results").read_text()
    text = Text(page)
    assert "1 of 3 claims hold" in page and "No &lt;picture&gt;." in page and "<is>" not in page
    assert text.pictures == ["b.png"]
    assert text.cells[:3] == ["nothing diverges", "depth 1: inf", "no"]
    assert "<td>depth 1: inf<br>depth 2: 1.5, 2<td" in page
    assert [cell for cell in text.cells if cell in ("yes", "no")] == ["no", "yes", "no"]
    assert page.index("No &lt;picture") < page.index("Wide is good")
    with pytest.raises(fn.InputError, match="contains no report"):
        write_page(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        {"about": "x", "assertions": "abc"},
        {"about": 3, "assertions": []},
        {"about": "x", "assertions": [{}]},
        {"about": "x", "assertions": [{"claim": "c", "published": 1, "measured": 2, "holds": "no"}]},
        {"about": "x", "assertions": [{"claim": "c", "published": {"mean": 1}, "holds": True}]},
        "[" * 100_000,
        b"\xff",
    ],
    ids=["a string of claims", "a number", "no keys", "no verdict", "no measurement", "nested", "no UTF-8"],
)
def test_the_page_ignores_files_of_another_form(tmp_path, content):
    write_report(tmp_path / "a.py", "Wide is good.", {}, CLAIMS)
    content = json.dumps(content) if isinstance(content, dict) else content
    content = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "results" / "other.json").write_bytes(content)
    assert "1 of 2 claims hold" in write_page(tmp_path / "results").read_text()


def test_the_page_renders_docstrings(tmp_path):
    claim = Claim("`tanh` learns", "0.8 < 1; more", 0.9, True)
    about = "About `x`.\n\nPlain `f`\nwords.\n\n    a = 1 < 2\n      b\n\n1. One\n   more.\n2. Two.\n"
    write_report(tmp_path / "a.py", about, {}, [claim])
    page = write_page(tmp_path / "results").read_text()
    assert "<h2>About <code>x</code>.</h2><p>Plain <code>f</code>\nwords.</p>" in page
    assert "<pre>a = 1 &lt; 2\n  b</pre><ol><li>One\n   more.\n</li><li>Two.</li></ol>" in page
    assert "<td><code>tanh</code> learns<td>0.8 &lt; 1<br>more<td>0.9" in page
