"""The figure of `clustering.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from clustering import METRICS, PUBLISHED_ACCURACY
from drawing import PUBLISHED, draw_classes, intervals, panels, readable


def draw(measured: dict[str, Any]) -> Figure:
    """Draw the scores of each way, and the codes of the last data set on their principal plane."""
    scores = measured["scores"]
    figure, (*left, right) = panels(
        "Deep clustering finds the digits of MNIST, where k-means on pixels does not",
        *(f"{readable(name)}: scores" for name in scores),
        "MNIST: codes, by digit",
        height=3.1,
        ratios=[*[1] * len(scores), 1.15],
    )
    for axes, (name, of_way) in zip(left, scores.items(), strict=True):
        for shift, metric in enumerate(METRICS):
            means = [intervals(of_metric[metric]) for of_metric in of_way.values()]
            places = np.arange(len(means)) + 0.27 * (shift - 1)
            heights = np.array([mean["mean"] for mean in means])
            errors = np.array([mean["high"] for mean in means]) - heights
            style: Any = {"color": f"C{shift}", "label": metric if axes is left[0] else None}
            axes.bar(places, heights, 0.25, yerr=errors, error_kw={"elinewidth": 0.8}, **style)
            if name == "mnist" and metric == "accuracy":
                axes.plot(places, list(PUBLISHED_ACCURACY.values()), **PUBLISHED, label="published accuracy")
        axes.set_xticks(range(len(of_way)), ["k-means,\npixels", "k-means,\ncodes", "deep\nclustering"])
        axes.set(ylabel="score", ylim=(0, 1))
    draw_classes(right, measured["codes"], measured["classes"])
    right.set(xlabel="first principal component", ylabel="second principal component")
    figure.legend(loc="outside lower left", ncols=4, title="means of seeds, 95 % intervals", alignment="left")
    return figure
