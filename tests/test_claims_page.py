"""The page of all claims."""

import base64
import json
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure

import fnnet as fn
from claiming import Claim
from claims_page import write_page
from reporting import write_report

CLAIMS = [
    Claim("wider <is> better", 0.5, fn.mean_interval([0.25, 0.75]), True),
    Claim("nothing diverges", None, {"depth 1": np.float32(np.inf), "depth 2": [1.5, 2.0]}, False),
]


def draw(measured):
    return Figure()


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


def test_page_shows_claims_verdicts_and_pictures(tmp_path):
    write_report(tmp_path / "b.py", "Wide is good.", {}, CLAIMS, {}, draw)
    write_report(tmp_path / "a.py", "No <picture>.", {}, CLAIMS[1:])
    (tmp_path / "results" / "other.json").write_text("[1, 2]")
    (tmp_path / "results" / "broken.json").write_text("{")
    page = write_page(tmp_path / "results").read_text()
    text = Text(page)
    assert "1 of 3 claims hold" in page and "No &lt;picture&gt;." in page and "<is>" not in page
    (picture,) = text.pictures
    content = base64.b64decode(picture.removeprefix("data:image/png;base64,"), validate=True)
    assert content == (tmp_path / "results" / "b.png").read_bytes()
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
def test_page_ignores_files_of_another_form(tmp_path, content):
    write_report(tmp_path / "a.py", "Wide is good.", {}, CLAIMS)
    content = json.dumps(content) if isinstance(content, dict) else content
    content = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "results" / "other.json").write_bytes(content)
    assert "1 of 2 claims hold" in write_page(tmp_path / "results").read_text()


def test_page_renders_docstrings(tmp_path):
    claim = Claim("`tanh` learns", "0.8 < 1; more", 0.9, True)
    about = "About `x`.\n\nPlain `f`\nwords.\n\n    a = 1 < 2\n      b\n\n1. One\n   more.\n2. Two.\n"
    write_report(tmp_path / "a.py", about, {}, [claim])
    page = write_page(tmp_path / "results").read_text()
    assert "<h2>About <code>x</code>.</h2><p>Plain <code>f</code>\nwords.</p>" in page
    assert "<pre>a = 1 &lt; 2\n  b</pre><ol><li>One\n   more.\n</li><li>Two.</li></ol>" in page
    assert "<td><code>tanh</code> learns<td>0.8 &lt; 1<br>more<td>0.9" in page


def test_reports_are_in_reading_order_and_failing_claims_are_listed_first(tmp_path):
    for name in ("zebra", "catapult", "gradient_descent", "deep_linear"):
        write_report(
            tmp_path / f"{name}.py", f"About {name}.", {}, CLAIMS if name == "catapult" else CLAIMS[:1]
        )
    page = write_page(tmp_path / "results").read_text()
    contents, _, sections = page.partition("</nav>")
    for part in (contents, sections):
        places = [
            part.index(f"About {name}.") for name in ("gradient_descent", "deep_linear", "catapult", "zebra")
        ]
        assert places == sorted(places)
    assert contents.count('class="no"') == 1 and "nothing diverges" in contents
    assert sections.count('class="fails"') == 1 and sections.count('href="#top"') == 4
    assert "Show only the 1 claims that fail" in page
