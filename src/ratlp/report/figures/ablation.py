"""The ablation: accuracy over each parameter, and what the encoder and the head do about it."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ratlp.errors import InputError
from ratlp.experiments.measure import ATTACK_EPS
from ratlp.experiments.results import METHODS, METRICS, AblationRow, Method
from ratlp.experiments.statistics import Summary
from ratlp.report.figures.style import (
    BLACK,
    GREY,
    METRIC_COLOURS,
    PURPLE,
    look,
    new_figure,
    settle,
)
from ratlp.report.labels import METHOD_LABELS, METRIC_LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_AXIS_LABELS: Final = {
    "eps_z": ("Training budget $\\epsilon_z$", "latent units"),
    "m": ("Latent dimension $m$", "coordinates"),
    "lambda": ("Adversarial weight $\\lambda$", "no unit"),
}
_LINES: Final[dict[Method, str]] = {"standard": "--", "ratlp": "-"}
_MARKERS: Final[dict[Method, str]] = {"standard": "s", "ratlp": "o"}
_LOG_FROM_RATIO = 8.0


def ablation_figure(rows: Sequence[AblationRow]) -> "Figure":
    """One column per parameter: accuracy above, mean latent magnitude and head norm L_g below.

    Lines are means over the seeds, bands the 95 % confidence intervals of the means; standard
    training is dashed. A latent attack of a fixed size fades as the encoder grows its latents: the
    lower row shows that.

    Raises:
        InputError: There is no row to draw.
        MissingExtraError: matplotlib is not installed.
    """
    columns = [name for name in _AXIS_LABELS if any(row.parameter == name for row in rows)]
    if not columns:
        raise InputError("the ablation figure needs at least one row; found none")
    with look():
        figure = new_figure(max(7.5, 3.5 * len(columns)), 6.8)
        grid = figure.subplots(2, len(columns), squeeze=False, sharex="col", sharey="row")
        for place, name in enumerate(columns):
            chosen = [row for row in rows if row.parameter == name]
            for method in METHODS:
                ordered = sorted((row for row in chosen if row.method == method), key=lambda row: row.value)
                if ordered:
                    _draw_accuracies(grid[0, place], ordered)
                    _draw_scales(grid[1, place], ordered)
            _scale_values(grid[1, place], sorted({row.value for row in chosen}))
            title, unit = _AXIS_LABELS[name]
            grid[0, place].set_title(title)
            grid[1, place].set_xlabel(f"{title} ({unit})")
        grid[0, 0].set_ylabel("Accuracy (%)")
        grid[1, 0].set_ylabel("Mean |z| (latent units),\n$L_g$ (logits per latent unit)")
        _scale_sizes(grid[1, 0], rows)
        _draw_legend(figure, grid[0, 0], rows)
        return settle(figure)


def _draw_accuracies(axes: "Axes", rows: Sequence[AblationRow]) -> None:
    for metric in METRICS:
        _draw_line(axes, rows, [getattr(row, metric) for row in rows], METRIC_COLOURS[metric])


def _draw_scales(axes: "Axes", rows: Sequence[AblationRow]) -> None:
    _draw_line(axes, rows, [row.latent_magnitude for row in rows], BLACK)
    _draw_line(axes, rows, [row.head_norm for row in rows], PURPLE)


def _draw_line(axes: "Axes", rows: Sequence[AblationRow], summaries: Sequence[Summary], colour: str) -> None:
    values = [row.value for row in rows]
    method = rows[0].method
    low, high = zip(*(summary.ci95 for summary in summaries), strict=True)
    axes.fill_between(values, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(
        values,
        [summary.mean for summary in summaries],
        _LINES[method],
        marker=_MARKERS[method],
        markersize=5,
        color=colour,
    )


def _scale_values(axes: "Axes", values: Sequence[float]) -> None:
    """A log axis that can show 0, with a tick at each value and labels as far as they fit."""
    positive = [value for value in values if value > 0]
    if len(positive) < len(values) and positive:
        axes.set_xscale("symlog", linthresh=positive[0], linscale=0.7)
    elif positive:
        axes.set_xscale("log")
    axes.set_xticks(values, _fitting_labels(values))
    axes.set_xticks([], minor=True)


def _fitting_labels(values: Sequence[float]) -> list[str]:
    """The values as text; empty where a label would run into its left neighbour's."""
    floor = min((value for value in values if value > 0), default=1.0)
    places = [math.log10(value / floor) if value > 0 else -0.7 for value in values]
    room = 0.14 * (places[-1] - places[0])
    labels, last = [], -math.inf
    for place, value in zip(places, values, strict=True):
        fits = place - last >= room
        labels.append(f"{value:g}" if fits else "")
        last = place if fits else last
    return labels


def _scale_sizes(axes: "Axes", rows: Sequence[AblationRow]) -> None:
    """A log axis where the sizes span much and all are positive."""
    from matplotlib.ticker import LogLocator

    sizes = [size for row in rows for size in (row.latent_magnitude, row.head_norm)]
    largest, smallest = (pick(size.mean for size in sizes) for pick in (max, min))
    if min(size.ci95[0] for size in sizes) > 0 and largest / smallest > _LOG_FROM_RATIO:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
    else:
        axes.set_ylim(bottom=0)


def _draw_legend(figure: "Figure", axes: "Axes", rows: Sequence[AblationRow]) -> None:
    for metric, colour in METRIC_COLOURS.items():
        budget = "" if metric == "clean" else f", eps = {ATTACK_EPS:g}"
        axes.plot([], [], color=colour, label=f"{METRIC_LABELS[metric]}{budget}")
    axes.plot([], [], color=BLACK, label="Mean |z|")
    axes.plot([], [], color=PURPLE, label="Head norm $L_g$")
    axes.fill_between([], [], color=GREY, alpha=0.3, linewidth=0, label="95 % CI of the mean")
    for method in METHODS:
        if any(row.method == method for row in rows):
            axes.plot(
                [],
                [],
                _LINES[method],
                marker=_MARKERS[method],
                color=GREY,
                label=METHOD_LABELS[method],
            )
    figure.legend(loc="outside lower center", ncols=4)
