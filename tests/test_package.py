"""A wheel, built from the source distribution, is all that a user needs; its dependencies are those declared."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import fnnet as fn

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SWEEP = "sweep --dataset digits learning_rate=0.1,0.2 --steps 20 --eval-every 10"


def normalized(name):
    return re.split(r"[^\w-]", name)[0].lower().replace("_", "-")


def declared():
    """Return the names of everything that the core and the extras ask for."""
    extras = [name for names in PROJECT["optional-dependencies"].values() for name in names]
    return {normalized(name) for name in [*PROJECT["dependencies"], *extras]}


def imported():
    """Return the top-level modules that the package imports, wherever in its files."""
    for path in Path(fn.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module.partition(".")[0]


def test_dependencies_are_declared():
    known = packages_distributions()
    for module in set(imported()) - set(sys.stdlib_module_names) - {"fnnet"}:
        names = {normalized(name) for name in known.get(module, [module])}
        if module != "pandas":  # with which xarray comes; only its own users ask for it
            assert names & declared(), f"{module} is imported, and {names} not in pyproject.toml"


def test_all_has_every_optional_feature():
    extras = PROJECT["optional-dependencies"]
    wanted = set(extras) - {
        "cuda12",
        "cuda13",
        "tpu",
        "bench",
        "browser",
        "docs",
        "dev",
        "all",
    }  # devices, and work on fnnet
    listed = set(re.search(r"\[(.*)\]", extras["all"][0])[1].split(","))
    assert listed | set(re.search(r"\[(.*)\]", extras["trackers"][0])[1].split(",")) == wanted


def test_citation_and_changelog_name_the_version():
    assert f'\nversion: "{PROJECT["version"]}"\n' in (ROOT / "CITATION.cff").read_text()
    assert re.search(
        rf"^## {re.escape(PROJECT['version'])}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the source distribution and of the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
    return folder


@pytest.mark.slow
def test_wheel_holds_the_package_alone(built):
    (wheel,) = built.glob("*.whl")
    files = zipfile.ZipFile(wheel).namelist()
    package = {
        str(path.relative_to(ROOT)) for path in (ROOT / "fnnet").rglob("*") if path.suffix not in ("", ".pyc")
    }
    assert package <= set(files)
    assert {name.partition("/")[0] for name in files} == {"fnnet", f"fnnet-{PROJECT['version']}.dist-info"}


@pytest.mark.slow
def test_installed_wheel_sweeps(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    environment = tmp_path / "environment"
    # The dependencies are those of this environment: to install them again would take a minute.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin/python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel]
    subprocess.run(pip, check=True, capture_output=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(str(Path(sys.modules["jax"].__file__).parent.parent))

    def run(*command):
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout

    where = run(python, "-I", "-c", "import fnnet; print(fnnet.__file__)")
    assert Path(where.strip()).is_relative_to(packages.resolve())
    fnnet = environment / "bin/fnnet"
    assert run(fnnet, "--version").split()[-1] == PROJECT["version"]
    run(fnnet, *SWEEP.split(), "--out", "first")
    assert len(fn.open_results(tmp_path / "first").table()) == 2
    assert (tmp_path / "first/report.html").stat().st_size > 100_000
