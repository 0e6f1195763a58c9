"""Table 1 as a dot plot: this reproduction beside the paper's numbers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from ratlp.errors import InputError
from ratlp.experiments.results import METHODS, METRICS, TableRow
from ratlp.report.figures.style import BLACK, GREY, METHOD_COLOURS, look, new_figure, settle
from ratlp.report.labels import METHOD_LABELS, METRIC_LABELS
from ratlp.report.table import clipped, new_seed_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PAPER: Final[dict[str, Any]] = {
    "color": BLACK,
    "markerfacecolor": "none",
    "markersize": 10,
    "markeredgewidth": 1.6,
}
_OFFSETS = dict(zip(METHODS, (-0.18, 0.18), strict=True))


def table_figure(rows: Sequence[TableRow]) -> "Figure":
    """The accuracies as dots, with two intervals, and the paper's numbers as hollow diamonds.

    The thick bar is the 95 % confidence interval of the mean, the thin one the 95 % interval of a
    new seed, clipped to [0, 100].

    Raises:
        InputError: There is no row to draw.
        MissingExtraError: matplotlib is not installed.
    """
    if not rows:
        raise InputError("the figure of Table 1 needs at least one row; found none")
    with look():
        figure = new_figure(9, 4.6)
        axes = figure.subplots()
        for row in rows:
            _draw_row(axes, row)
        _draw_legend(axes, rows)
        axes.set_yticks(range(len(METRICS)), [METRIC_LABELS[metric] for metric in METRICS])
        axes.set_ylim(len(METRICS) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        for edge in range(1, len(METRICS)):
            axes.axhline(edge - 0.5, color="#D0D0D0", linewidth=1)
        axes.set_ylabel("Test points")
        axes.set_xlabel("Accuracy (%)")
        return settle(figure)


def _draw_row(axes: "Axes", row: TableRow) -> None:
    place = METRICS.index(row.metric) + _OFFSETS[row.method]
    colour = METHOD_COLOURS[row.method]
    axes.plot(new_seed_interval(row), (place, place), color=colour, linewidth=2)
    axes.plot(clipped(row.ci95), (place, place), color=colour, linewidth=16, alpha=0.5, solid_capstyle="butt")
    axes.plot(row.mean, place, "o", color=colour, markersize=7)
    if row.paper is not None:
        axes.plot(row.paper, place, "D", **_PAPER)
    axes.annotate(
        f"{row.mean:.1f} ± {row.std:.1f}",
        (1.02, place),
        xycoords=axes.get_yaxis_transform(),
        va="center",
    )


def _draw_legend(axes: "Axes", rows: Sequence[TableRow]) -> None:
    for method in METHODS:
        if any(row.method == method for row in rows):
            axes.plot([], [], "o", color=METHOD_COLOURS[method], markersize=7, label=METHOD_LABELS[method])
    axes.plot([], [], color=GREY, linewidth=10, alpha=0.5, label="95 % CI of the mean")
    axes.plot([], [], color=GREY, linewidth=2, label="95 % interval of a new seed")
    if any(row.paper is not None for row in rows):
        axes.plot([], [], "D", label="The paper's number", **_PAPER)
    axes.figure.legend(loc="outside lower center", ncols=3)
