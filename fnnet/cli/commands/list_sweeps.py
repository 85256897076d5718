"""`fnnet list`: the sweeps in a folder."""

from pathlib import Path

import tyro

from fnnet.cli.formats import Json
from fnnet.cli.output import print_json


def list_sweeps(folder: tyro.conf.Positional[Path] = Path("results"), /, json: Json = False) -> None:
    """List the sweeps in a folder and below it: data, axes, runs done and diverged, state.

        fnnet list results

    Args:
        folder: the folder to search, up to four levels deep; by default results.
        json: print JSON.
    """
    from fnnet.records.listing import list_stores

    found = list_stores(folder)
    if json:
        print_json(found)
        return
    for each in found:
        where = str(each.folder.relative_to(folder)) if each.folder != folder else str(folder)
        if each.status is None:
            print(f"{where}: unreadable: {each.problem}")
            continue
        status, begun = each.status, each.updated[:16].replace("T", " ")
        axes = ", ".join(f"{name} {number}" for name, number in each.axes.items() if number > 1)
        print(
            f"{where}: {status.state}, {status.num_done:,} of {status.num_runs:,} runs done, "
            f"{status.num_diverged:,} diverged, last started {begun} UTC\n    {each.data}; {axes or 'one run'}"
        )
    if not found:
        print(f"no sweep in {folder}")
