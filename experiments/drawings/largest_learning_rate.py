"""The figure of `largest_learning_rate.py`."""

from typing import Any

from matplotlib.figure import Figure

from drawing import REFERENCE, draw_seeds, label_ticks, panels, readable


def draw(measured: dict[str, Any]) -> Figure:
    """Draw the largest rate against depth, with that of a quadratic loss, and their ratio."""
    largest, sharpness = measured["largest_learning_rate"], measured["initial_sharpness"]
    figure, (rates, ratios) = panels(
        "The largest learning rate does not fall with depth: it goes with 2 / initial sharpness",
        f"{measured['num_images']} images of {readable(measured['dataset'])}",
        "The same, in units of 2 / initial sharpness",
        height=2.9,
    )
    for row, name in enumerate(measured["initializers"]):
        color, label = f"C{row}", readable(name)
        rates.plot(measured["depths"], 2 / sharpness[row].mean(axis=-1), "--", color=color)
        for axes, values in ((rates, largest[row]), (ratios, largest[row] * sharpness[row] / 2)):
            draw_seeds(axes, measured["depths"], values, color, label=label if axes is rates else None)
    rates.plot([], [], "--", color="0.4", label="2 / initial sharpness")
    rates.set(ylabel="largest learning rate", yscale="log")
    label_ticks(rates.yaxis, [0.02, 0.05, 0.1, 0.2, 0.5])
    ratios.set(ylabel="ratio", ylim=(0, None))
    ratios.axhline(1, **REFERENCE)
    for axes in (rates, ratios):
        axes.set(xlabel="hidden layers", xticks=measured["depths"])
    figure.legend(loc="outside lower center", ncols=3, title="initialization (dots: seeds, lines: means)")
    return figure
