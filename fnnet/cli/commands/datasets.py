"""`fnnet datasets`: the named data sets."""

from fnnet.cli.formats import Json
from fnnet.cli.output import print_json, print_table


def datasets(json: Json = False) -> None:
    """List the named data sets: their sizes, and whether they are on this machine.

        fnnet datasets

    Args:
        json: print JSON.
    """
    from fnnet.data.catalog import read_catalog

    entries = read_catalog()
    if json:
        print_json(entries)
        return
    lines = [
        [
            *(entry.name, f"{entry.num_examples:,}", str(entry.num_features)),
            f"{entry.num_classes} classes" if entry.num_classes else "regression",
            "yes" if entry.is_here else "no, downloaded on first use",
        ]
        for entry in entries
    ]
    print_table(["name", "examples", "features", "task", "here"], lines)
