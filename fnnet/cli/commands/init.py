"""`fnnet init`: a sweep and a search to start from."""

from importlib.resources import files
from pathlib import Path

import tyro

from fnnet.errors import InputError

NAMES = ("sweep.toml", "search.toml", "recipe.py")


def init(folder: tyro.conf.Positional[Path] = Path(), /) -> None:
    """Write commented files to start from, sweep.toml, search.toml and recipe.py; they run as they are.

        fnnet init first

    Args:
        folder: the folder to write to, by default this one. Existing files are never overwritten.
    """
    from fnnet.records.durable import write_new

    for name in NAMES:
        if (folder / name).exists():
            raise InputError(f"{folder / name} exists; name another folder")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder")
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        write_new(folder / name, files("fnnet.cli.templates").joinpath(name).read_bytes())
        print(f"wrote {folder / name}")
    here = "" if folder == Path() else f"cd {folder} && "
    print(f"next: {here}fnnet sweep sweep.toml")
