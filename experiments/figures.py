"""Draw the figures of all experiments again from their reports, without training.

Run `python experiments/figures.py`, or `make figures`; with names for some of them, and with `--format pdf`
or `svg` for vectors beside the bitmaps.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from reporting import draw_report, find_draw


@dataclass(frozen=True)
class Config:
    """What to draw.

    names: experiments, such as digits; none for all that have a figure.
    format: of the pictures.
    """

    names: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    format: Literal["png", "pdf", "svg"] = "png"


def main(config: Config) -> None:
    results = Path(__file__).resolve().parent / "results"
    for name in config.names or sorted(path.stem for path in results.glob("*.json")):
        if (draw := find_draw(name)) is None:
            continue
        picture = results / f"{name}.{config.format}"
        try:
            print(f"wrote {draw_report(results / f'{name}.json', draw, picture)}")
        except KeyError as missing:
            print(f"{name} is left as it is: its report lacks {missing}; run experiments/{name}.py again")


if __name__ == "__main__":
    main(tyro.cli(Config))
