"""Settings of the documentation: `make docs` builds it without a network, and takes warnings for errors."""

import importlib.metadata
import os
import re
import sys
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from jupyter_client.manager import KernelManager

sys.path.insert(0, str(Path(__file__).parent))
from cells import with_cells
from claims import with_claims
from docstrings import restructured

project = "fnnet"
author = "fnnet developers"
release = importlib.metadata.version("fnnet")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]

# The code of these pages runs at every build, in an empty folder, and an error ends the build.
NOTEBOOKS = {"tour", "tutorial", "howto/optimizers", "howto/search"}
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300  # seconds for one cell
nb_merge_streams = True
nb_output_stderr = "remove"
os.environ["COLUMNS"] = "88"  # as many as a page has
KernelManager.transport_encryption.default_value = (
    "auto"  # kernels warn without
)

html_theme = "sphinx_book_theme"
html_theme_options = {"navbar_persistent": []}
html_title = "fnnet"
html_math_renderer = "mathml"
html_static_path = ["pages.css"]
html_css_files = ["pages.css"]
html_show_copyright = False
html_show_sphinx = False

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

add_module_names = False
maximum_signature_line_length = 88
napoleon_use_ivar = True
napoleon_attr_annotations = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_default_options = {"no-value": True}


def _convert_docstring(app, what, name, obj, options, lines) -> None:
    own = set(getattr(obj, "__annotations__", {}))
    lines[:] = restructured(lines, own, has_fields=what == "class")
    if what == "data" and isinstance(obj, dict):
        lines += ["", "Names: " + ", ".join(f"``{key}``" for key in obj) + "."]


def _shorten(app, what, name, obj, options, *signature) -> tuple:
    """Write arrays as fnnet's sources do, not by the modules that define them."""
    return tuple(
        part and re.sub(r"\b(jax\.)?jaxlib\._jax\.|\bnumpy\.", "", part)
        for part in signature
    )


def _skip_member(app, what, name, obj, skip, options) -> bool | None:
    """Leave out what Python itself says of a named tuple's fields: "Alias for field number 0"."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def _complete_page(app, docname, source) -> None:
    """Fill in claims, turn code into cells, and links to tables of measurements, which are Markdown but no pages, into downloads."""
    page = with_claims(source[0])
    if docname in NOTEBOOKS:
        page = with_cells(page)
    source[0] = re.sub(
        r"\]\(((?:\.\./)+experiments/results/\w+\.md)\)", r"](path:\1)", page
    )


def _visit_math(self, node) -> None:
    """Write formulas as MathML, which browsers draw without a script from elsewhere."""
    as_block = isinstance(node, nodes.math_block)
    formula = tex2mathml(node.astext(), as_block=as_block)
    self.body.append(
        f'<div style="margin: 1rem 0">{formula}</div>' if as_block else formula
    )
    raise nodes.SkipNode


def setup(app) -> None:
    app.add_html_math_renderer(
        "mathml", (_visit_math, None), (_visit_math, None)
    )
    app.connect(
        "autodoc-process-docstring", _convert_docstring, priority=400
    )  # before napoleon
    app.connect("autodoc-process-signature", _shorten)
    app.connect("autodoc-skip-member", _skip_member)
    app.connect("source-read", _complete_page)
