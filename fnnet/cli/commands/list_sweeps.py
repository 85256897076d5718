"""`fnnet list`: the sweeps in a folder."""

from pathlib import Path

import tyro

from fnnet.cli.formats import Json
from fnnet.cli.output import print_json, print_table


def list_sweeps(folder: tyro.conf.Positional[Path] = Path("results"), /, json: Json = False) -> None:
    """List the sweeps in a folder and below it: data, axes, runs done and diverged, state.

        fnnet list results

    Args:
        folder: where to look, up to four levels deep; by default results.
        json: print JSON.
    """
    from fnnet.records.listing import list_stores

    found = list_stores(folder)
    if json:
        print_json(found)
        return
    lines = []
    for each in found:
        where = str(each.folder.relative_to(folder)) if each.folder != folder else str(folder)
        if each.status is None:
            lines.append([where, "", "unreadable", "", "", "", each.problem])
            continue
        axes = " ".join(f"{name}:{number}" for name, number in each.axes.items() if number > 1)
        done = f"{each.status.num_done:,} of {each.status.num_runs:,}"
        updated = each.updated[:16].replace("T", " ")
        lines.append(
            [where, updated, each.status.state, done, f"{each.status.num_diverged:,}", each.data, axes]
        )
    if lines:
        headings = ["sweep", "begun (UTC)", "state", "runs done", "diverged", "data", "axes"]
        print_table(headings, lines, f"sweeps in {folder}", whole=headings[:1])
    else:
        print(f"no sweep in {folder}")
