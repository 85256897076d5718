"""What the README shows runs as written."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_python_blocks_run(code, capsys):
    names = {}
    exec(code, names)
    if "results" in names:
        assert names["results"].best("test_accuracy").mean > 0.9
        assert "shape: (24, " in capsys.readouterr().out
    else:
        assert len(names["layers"]) == 3


def test_there_are_blocks():
    assert len(BLOCKS) == 2


def test_layout_names_every_module():
    package = Path(__file__).parent.parent / "fnnet"
    modules = [
        path for path in package.rglob("*.py") if path.parent.name in ("fnnet", "sweep", "report", "interop")
    ]
    listed = set(re.findall(r"(?<!experiments/)\b[a-z_]+\.py", README))
    unlisted = {"__init__.py", "errors.py", "names.py", "types.py", "hparams.py", "linalg.py"}
    assert {path.name for path in modules} - unlisted == listed - {"__init__.py"}
