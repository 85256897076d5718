"""Every public name has a place in the API reference, which `make docs` builds from `docs/api`, and every figure a page.

Public is what `fnnet/__init__.pyi` lists, and what the README, pages and examples import from modules of fnnet.
"""

import inspect
import pkgutil
import re
from pathlib import Path

import fnnet as fn

ROOT = Path(__file__).parent.parent
REFERENCE = "\n".join(page.read_text() for page in (ROOT / "docs/api").glob("*.md"))
WHOLE_MODULES = re.findall(r"^\.\. automodule:: (\S+)", REFERENCE, re.MULTILINE)
SINGLE_NAMES = re.findall(r"^\.\. auto(?:function|class|exception):: (\S+)", REFERENCE, re.MULTILINE)


def home(value):
    return f"{value.__module__}.{value.__name__}"


def public_values(module):
    """Yield the functions and classes that a module lists or, if it lists none, those that it defines."""
    listed = getattr(module, "__all__", None)
    for name in listed or vars(module):
        value = getattr(module, name)
        if listed and inspect.ismodule(value):
            yield from public_values(value)
        elif not callable(value) or not hasattr(value, "__name__"):
            continue
        elif listed or (value.__module__ == module.__name__ and not name.startswith("_")):
            yield value


def shown_imports():
    """Yield what code for users imports from modules of fnnet."""
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.py")]:
        for module, names in re.findall(r"^from (fnnet[\w.]*) import (.+)$", page.read_text(), re.MULTILINE):
            for name in names.split(","):
                yield pkgutil.resolve_name(f"{module}.{name.strip()}")


def undocumented(values):
    documented = {home(pkgutil.resolve_name(name)) for name in SINGLE_NAMES}
    return {home(value) for value in values if value.__module__ not in WHOLE_MODULES} - documented


def test_reference_lists_every_public_name():
    public = list(public_values(fn))
    assert len(public) > 50
    assert undocumented(public) == set()


def test_reference_lists_what_users_are_shown():
    imported = list(shown_imports())
    assert {value.__name__ for value in imported} > {"linen_network", "equinox_network", "optimize"}
    assert undocumented(value for value in imported if not inspect.ismodule(value)) == set()
    assert {value.__name__ for value in imported if inspect.ismodule(value)} <= set(WHOLE_MODULES)


def test_reference_names_modules_that_exist():
    assert len(WHOLE_MODULES) > 15
    for name in WHOLE_MODULES:
        assert inspect.ismodule(pkgutil.resolve_name(name))


def test_pages_show_every_figure_of_the_experiments():
    shown = "\n".join(page.read_text() for page in ROOT.glob("docs/*.md"))
    figures = {figure.name for figure in ROOT.glob("experiments/results/*.png")}
    assert len(figures) > 25
    assert {name for name in figures if f"](../experiments/results/{name})" not in shown} == set()
