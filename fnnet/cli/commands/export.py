"""`fnnet export`: trained networks for other programs."""

from pathlib import Path

import tyro

from fnnet.cli.selection import Run, choose_run, open_finished


def export(
    store: tyro.conf.Positional[Path],
    run: Run = (),
    /,
    *,
    to: Path,
    best: str | None = None,
) -> None:
    """Export one trained network of a sweep, with its preprocessing, to a safetensors file.

        fnnet export results/digits --best test_accuracy --to model.safetensors

    The sweep must have kept its parameters (see --save-params). Select the run by its values, such as depth=2 seed=0,
    which the table of the sweep lists.

    Args:
        store: the folder of the sweep.
        run: its values, or the first digits of its id; axes with a single value can be left out.
        to: the file to write, such as model.safetensors; it must not exist.
        best: a metric such as test_accuracy, by which to choose among several runs with these values.
    """
    from fnnet.evaluation.export import trained_model
    from fnnet.interop import safetensors

    chosen = choose_run(open_finished(store), run, best)
    safetensors.save(to, trained_model(chosen, 0))
    values = " ".join(f"{name}={value}" for name, value in chosen.space[0].items())
    print(f"wrote {to}: {values}")
