"""Pages as notebooks: their code runs when the documentation is built, which shows what it prints and draws."""

import re
import shlex

FRONT_MATTER = "---\nfile_format: mystnb\nkernelspec: {name: python3}\n---\n"
BLOCK = re.compile(
    r"^```(python|console)\n(.*?)^```$(?:\s+^```text\n.*?^```$)?",
    re.DOTALL | re.MULTILINE,
)
COMMANDS = """```{code-cell} python
:tags: [remove-input]
import os
import subprocess
import sys

env = os.environ | {"COLUMNS": "80"}
for words in %r:
    command = [sys.executable, "-m", "fnnet", *words]
    done = subprocess.run(command, text=True, stdout=-1, stderr=-2, env=env)
    print(done.stdout)
    done.check_returncode()
```"""


def with_cells(page: str) -> str:
    """Turn each block of Python into a cell, and add one after each block of commands.

    The `text` block after a block of Python, which says what is printed, gives way to what is printed.
    """
    return FRONT_MATTER + BLOCK.sub(
        lambda block: _cells(block[1], block[2]), page
    )


def _cells(language: str, code: str) -> str:
    if language == "python":
        return f"```{{code-cell}} python\n{code}```"
    commands = [
        shlex.split(line, comments=True)[1:]
        for line in code.splitlines()
        if line.startswith("fnnet ")
    ]
    shown = f"```console\n{code}```"
    return f"{shown}\n\n{COMMANDS % commands}" if commands else shown
