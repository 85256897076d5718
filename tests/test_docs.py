"""Every public name has a place in the API reference, which `make docs` builds from `docs/api`."""

import inspect
import pkgutil
import re
from pathlib import Path

import fnnet as fn

REFERENCE = "\n".join(page.read_text() for page in (Path(__file__).parent.parent / "docs/api").glob("*.md"))
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


def test_reference_lists_every_public_name():
    documented = {home(pkgutil.resolve_name(name)) for name in SINGLE_NAMES}
    public = {home(value) for value in public_values(fn) if value.__module__ not in WHOLE_MODULES}
    assert len(public) > 50
    assert public - documented == set()


def test_reference_names_modules_that_exist():
    assert len(WHOLE_MODULES) > 15
    for name in WHOLE_MODULES:
        assert inspect.ismodule(pkgutil.resolve_name(name))
