"""Robust accuracy against the cost of training."""

from collections.abc import Sequence
from statistics import mean
from typing import TYPE_CHECKING

from shared.drawing import pictures

from ratlp.report.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY_BLUE,
    VERMILLION,
    look,
    new_figure,
)
from robust_training.recipes import EPS
from robust_training.results import Row, grouped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A colour and a marker of its own for each method.
STYLES = {
    "standard": (BLACK, "o"),
    "ratlp": (GREY, "v"),
    "relative": (SKY_BLUE, "^"),
    "fgsm-rs": (ORANGE, "s"),
    "pgd-7": (VERMILLION, "D"),
    "trades": (PURPLE, "P"),
    "propagated": (GREEN, "*"),
    "interval": (BLUE, "X"),
}
PANELS = (("autoattack", "robust accuracy, APGD-CE and APGD-T (%)"), ("certified", "certified accuracy (%)"))


def plot(rows: Sequence[Row], *, data: str) -> dict[str, bytes]:
    """For each net: accuracy under AutoAttack, and certified, over the cost; PNG and SVG."""
    nets = list(dict.fromkeys(row.net for row in rows))
    with look():
        figure = new_figure(12, 5 * len(nets))
        for line, net in zip(figure.subplots(len(nets), len(PANELS), squeeze=False), nets, strict=True):
            for axes, (column, label) in zip(line, PANELS, strict=True):
                _panel(axes, [row for row in rows if row.net == net], column)
                axes.set_xlabel("time of a training step, in standard steps (log scale)")
                axes.set_ylabel(label)
                axes.set_title(f"{data}, {net} net, L-inf {EPS:g}")
        handles, names = figure.axes[0].get_legend_handles_labels()
        title = "whiskers: the lowest and the highest of the seeds"
        figure.legend(handles, names, ncols=len(names), loc="outside lower center", title=title)
        return pictures("robust_training", figure)


def _panel(axes: "Axes", rows: Sequence[Row], column: str) -> None:
    groups = grouped(rows)
    named = set()
    for (method, _, _), group in groups.items():
        colour, marker = STYLES[method]
        values = [getattr(row, column) for row in group]
        cost = mean(row.time_ratio for row in group)
        spread = [[mean(values) - min(values)], [max(values) - mean(values)]]
        label = None if method in named else method
        axes.errorbar(cost, mean(values), yerr=spread, fmt=marker, color=colour, markersize=9, capsize=3, label=label)
        named.add(method)
    _name_layers(axes, {layer: group for (method, layer, _), group in groups.items() if method == "propagated"}, column)
    axes.set_xscale("log")
    axes.set_xticks([1, 2, 3, 5, 10], labels=["1", "2", "3", "5", "10"])
    axes.minorticks_off()
    axes.set_ylim(-3, 100)


def _name_layers(axes: "Axes", groups: dict[str, Sequence[Row]], column: str) -> None:
    """In a column beside the markers, so that no name lies on another or on the axis."""
    if not groups:
        return
    heights = {layer: mean(getattr(row, column) for row in group) for layer, group in groups.items()}
    costs = {layer: mean(row.time_ratio for row in group) for layer, group in groups.items()}
    beside, line = 1.25 * max(costs.values()), {"arrowstyle": "-", "color": GREY, "linewidth": 0.8}
    for layer, place in apart(heights).items():
        axes.annotate(layer, (costs[layer], heights[layer]), (beside, place), va="center", fontsize=8, arrowprops=line)


def apart(heights: dict[str, float], *, gap: float = 5.0) -> dict[str, float]:
    """Each name at its height where there is room, else moved: all are a gap apart, and none below 0."""
    falling = sorted(heights, key=heights.__getitem__, reverse=True)
    places: dict[str, float] = {}
    for number, layer in enumerate(falling):
        least = gap * (len(falling) - 1 - number)
        below = places[falling[number - 1]] - gap if number else heights[layer]
        places[layer] = max(min(heights[layer], below), least)
    return places
