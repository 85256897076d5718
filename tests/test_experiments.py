"""Experiments: each file can be read in one reading, and every one has a figure and settings of a smoke run."""

import ast
import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "experiments"
SHARED = {"claiming", "claims_page", "drawing", "encoding", "figures", "measuring", "reporting"}
FILES = sorted(FOLDER.rglob("*.py"))
SCRIPTS = [path for path in sorted(FOLDER.glob("*.py")) if path.stem not in SHARED]


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(FOLDER)) for path in FILES])
def test_files_are_short(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 160
    assert [line for line in lines if len(line) > 110] == []


def test_there_are_experiments():
    assert len(SCRIPTS) > 30


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_scripts_have_the_parts_that_main_needs(path):
    tree = ast.parse(path.read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert "Config" in defined and ("measure" in defined or "main" in defined)
    assert f"python experiments/{path.name}`" in ast.get_docstring(tree)
    if (FOLDER / "results" / f"{path.stem}.png").exists():
        assert callable(importlib.import_module(f"drawings.{path.stem}").draw)
