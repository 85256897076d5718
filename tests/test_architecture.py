"""The public API is as listed, and imports go one way through the rooms of the package."""

import ast
import importlib
import importlib.metadata
import pickle
import pydoc
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import fnnet as fn

PACKAGE = Path(fn.__file__).parent
MODULES = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
# A room imports only from itself and from the rooms above it.
ROOMS = [
    {"errors", "names", "types", "hparams", "leaves", "linalg", "precision", "memory", "cache"},
    {"activations", "initializers", "parameterizations", "layers", "network", "stacked_layers", "blocks"},
    {"losses", "confusion", "regression", "metrics", "schedules", "optimizers", "optimizer_builders"},
    {"data"},
    {"batches", "keys", "task", "training", "best", "objectives", "fitting", "clustering", "recipes"},
    {"analysis"},
    {"space"},
    {"lanes"},
    {"records"},
    {"engines"},
    {"sweeps"},
    {"search"},
    {"evaluation"},
    {"studies"},
    {"interop"},
    {"report"},
    {"cli"},
    {"__main__"},
]


def imports(path):
    """Yield the fnnet modules that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "fnnet":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}".removeprefix("fnnet.")
                yield inner if inner in MODULES else (node.module or "").removeprefix("fnnet.")
        elif isinstance(node, ast.Import):
            yield from (alias.name.removeprefix("fnnet.") for alias in node.names if "fnnet." in alias.name)


def room_of(module):
    first = module.split(".")[0]
    found = [place for place, names in enumerate(ROOMS) if first in names]
    assert found, f"{module} has no room"
    return found[0]


def test_room_imports_only_from_rooms_above_it():
    checked = 0
    for module, path in MODULES.items():
        if module == "__init__":
            continue
        for other in imports(path):
            if other != "fnnet":
                assert room_of(other) <= room_of(module), f"{module} imports {other}, which stands below it"
                checked += 1
    assert checked > 300


def test_no_two_modules_import_each_other():
    graph = {module: set(imports(path)) - {"fnnet", module} for module, path in MODULES.items()}
    assert len(list(TopologicalSorter(graph).static_order())) >= len(graph)  # raises CycleError


def test_every_module_has_a_room_and_no_room_is_empty():
    first = {module.split(".")[0] for module in MODULES} - {"__init__"}
    assert first == set().union(*ROOMS)


def test_every_public_name_is_there_and_documented():
    assert len(fn.__all__) <= 65, "one screen"
    for name in fn.__all__:
        value = getattr(fn, name)
        assert value.__doc__, f"{name} has no docstring"
        assert isinstance(value, type(pytest)) or ">>>" in value.__doc__, f"{name} has no example"


def test_no_module_of_the_package_hides_a_public_function():
    at_the_root = {module.removesuffix(".__init__") for module in MODULES if module.count(".") == 0}
    at_the_root |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    functions = {name for name in fn.__all__ if not isinstance(getattr(fn, name), type(pytest))}
    assert not at_the_root & functions


@pytest.mark.parametrize("module", sorted(MODULES))
def test_modules_are_found_by_their_dotted_names(module):
    name = f"fnnet.{module}".removesuffix(".__init__")
    if module == "search.optuna":
        pytest.importorskip("optuna")
    assert pydoc.locate(name) is importlib.import_module(name)


def test_public_functions_pickle():
    for name in fn.__all__:
        value = getattr(fn, name)
        if not isinstance(value, type(pytest)):
            assert pickle.loads(pickle.dumps(value)) is value


def test_unknown_attributes_raise():
    assert not hasattr(fn, "swep")


def test_version_is_that_of_the_project_and_types_are_published():
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    assert fn.__version__ == importlib.metadata.version("fnnet") == project["version"]
    assert (PACKAGE / "py.typed").exists()
