"""The public API exists as listed, and data flows one way through the modules."""

import ast
import importlib.metadata
import tomllib
from pathlib import Path

import fnnet as fn

PACKAGE = Path(fn.__file__).parent
# A module may import from itself and from what stands before it.
ORDER = [
    "errors",
    "names",
    "types",
    "hparams",
    "linalg",
    "precision",
    "activations",
    "initializers",
    "mean_field",
    "losses",
    "metrics",
    "calibration",
    "schedules",
    "optimizers",
    "parameterizations",
    "network",
    "deep_linear",
    "ensembles",
    "sweep.memory",
    "data",
    "features",
    "baselines",
    "batches",
    "task",
    "clustering",
    "train",
    "recipes",
    "curvature",
    "sharpness",
    "representations",
    "tangent_kernel",
    "fractals",
    "sweep.values",
    "sweep.space",
    "sweep.designs",
    "sweep.plan",
    "sweep.layout",
    "sweep.program",
    "sweep.cost",
    "sweep.lanes",
    "sweep.durable",
    "sweep.sealed",
    "sweep.lock",
    "sweep.store",
    "sweep.fingerprint",
    "sweep.provenance",
    "sweep.curves",
    "sweep.members",
    "sweep.resume",
    "sweep.statistics",
    "sweep.results",
    "sweep.progress",
    "sweep.interrupt",
    "sweep.chunk",
    "sweep.job",
    "sweep.prepare",
    "sweep.execute",
    "sweep.halving",
    "sweep.hyperband",
    "sweep.verify",
    "early_training",
    "trainability",
    "evaluate",
    "model",
    "report",
    "interop",
    "axes",
    "usage",
    "data_options",
    "cli",
]


def imported(path):
    """Yield the fnnet modules a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "fnnet":
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name.removeprefix("fnnet.") for name in names)
        elif isinstance(node, ast.Import):
            yield from (a.name.removeprefix("fnnet.") for a in node.names if a.name.startswith("fnnet."))


def place(module):
    matches = [index for index, name in enumerate(ORDER) if module == name or module.startswith(f"{name}.")]
    return matches[0] if matches else None


def test_a_module_imports_only_from_those_above_it():
    checked = 0
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name == "__init__.py" and path.parent.name in ("fnnet", "sweep"):
            continue
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        assert place(module) is not None, f"{module} has no place in the order"
        for other in imported(path):
            assert place(other) is not None, f"{module} imports {other}"
            assert place(other) <= place(module), f"{module} imports {other}, which stands below it"
            checked += 1
    assert checked > 40


def test_every_public_name_is_there_and_documented():
    for name in fn.__all__:
        assert getattr(fn, name).__doc__, f"{name} has no docstring"


def test_functions_win_over_modules_of_the_same_name():
    import fnnet.sweep.plan
    import fnnet.train  # noqa: F401

    assert callable(fn.train) and callable(fn.sweep)


def test_unknown_attributes_raise():
    assert not hasattr(fn, "swep")


def test_the_version_is_that_of_the_project_and_types_are_published():
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    assert fn.__version__ == importlib.metadata.version("fnnet") == project["version"]
    assert (PACKAGE / "py.typed").exists()
