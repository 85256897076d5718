"""The figure of `representation.py`."""

from typing import Any

from matplotlib.figure import Figure

from drawing import draw_classes, draw_interval, intervals, label_ticks, shades, stacked, title_row


def draw(measured: dict[str, Any]) -> Figure:
    """Draw both measurements against the layer, and the layers of one network on their principal planes."""
    planes = measured["planes"]
    names = ["pixels", *(f"layer {number}" for number in range(1, len(planes)))]
    finding = "Training makes each layer easier to read and lower in rank than the one before"
    figure, above, below = stacked(finding, height=5.2, ratios=(1.25, 1))
    errors = {
        state: {depth: 1 - values for depth, values in by_depth.items()}
        for state, by_depth in measured["probe_accuracy"].items()
    }
    both = (("Error of a linear probe", errors), ("Effective rank", measured["effective_rank"]))
    for axes, letter, (title, found) in zip(above.subplots(1, 2), "ab", both, strict=True):
        deepest = list(found["untrained"].values())[-1]
        layers = range(deepest.shape[1])
        draw_interval(axes, layers, intervals(deepest.T), "0.5", "untrained, any depth", linestyle="--")
        for color, marker, (depth, values) in zip(shades(3), "os^", found["trained"].items(), strict=False):
            style: Any = {"label": f"trained, depth {depth}", "marker": marker, "markersize": 3.5}
            draw_interval(axes, range(values.shape[1]), intervals(values.T), color, **style)
        axes.set_title(f"({letter}) {title}", loc="left")
        axes.set(xlabel="layer (0: pixels)", ylabel=title.lower(), yscale="log")
        label_ticks(axes.yaxis, (0.03, 0.05, 0.1, 0.2, 0.5) if letter == "a" else (30, 50, 100, 200, 300))
    title = "means of seeds, with 95 % intervals"
    above.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, title=title)
    for axes, name, plane in zip(below.subplots(1, len(planes)), names, planes, strict=True):
        draw_classes(axes, plane, measured["classes"])
        axes.set_title(name, loc="left")
    title_row(below, f"(c) Principal planes of a trained network of depth {len(planes) - 1}, by digit")
    return figure
