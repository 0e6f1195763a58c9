"""The theorem: how near the exact worst case comes to each claimed bound, or passes it."""

from typing import TYPE_CHECKING

from ratlp.errors import InputError
from ratlp.experiments.results import METHODS, BoundCheck, Theorem, TheoremCheck
from ratlp.report.figures.style import (
    BLACK,
    GREY,
    METHOD_COLOURS,
    VERMILLION,
    look,
    new_figure,
    settle,
)
from ratlp.report.labels import BOUND_LABELS, METHOD_LABELS, key_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OFFSETS = dict(zip(METHODS, (-0.17, 0.17), strict=True))
_LOG_FROM_RATIO = 10.0


def theorem_figure(theorem: Theorem) -> "Figure":
    """Mean and maximum of (exact increase of the loss) / bound, per bound and method.

    1 is a tight bound; beyond it the bound is violated, and the number of such points stands at the
    right.

    Raises:
        InputError: No bound was checked.
        MissingExtraError: matplotlib is not installed.
    """
    names = list(dict.fromkeys(bound.name for check in theorem.methods for bound in check.bounds))
    if not names:
        raise InputError("the theorem's figure needs at least one bound; found none")
    with look():
        figure = new_figure(10.5, 5.2)
        axes = figure.subplots()
        for check in theorem.methods:
            for bound in check.bounds:
                _draw_bound(axes, check, bound, names.index(bound.name) + _OFFSETS[check.method])
        _scale_ratios(axes, theorem)
        _draw_legend(axes, theorem)
        axes.set_yticks(
            range(len(names)),
            [BOUND_LABELS.get(name, key_label(name)).replace("L_g", "$L_g$") for name in names],
        )
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_ylabel("Claimed bound")
        axes.set_xlabel(f"Exact increase of the loss / bound (no unit), latent L-inf $\\epsilon$ = {theorem.eps:g}")
        return settle(figure)


def _draw_bound(axes: "Axes", check: TheoremCheck, bound: BoundCheck, place: float) -> None:
    colour = METHOD_COLOURS[check.method]
    axes.plot((bound.mean_tightness, bound.max_tightness), (place, place), color=colour)
    axes.plot(bound.mean_tightness, place, "o", color=colour, markersize=9)
    axes.plot(bound.max_tightness, place, "D", color=colour, markerfacecolor="white", markersize=8)
    broken = bound.violations > 0
    axes.annotate(
        f"{bound.violations:,} of {check.n_points:,} violate" if broken else "holds at every point",
        (1.02, place),
        xycoords=axes.get_yaxis_transform(),
        va="center",
        color=VERMILLION if broken else GREY,
        fontweight="bold" if broken else "normal",
    )


def _scale_ratios(axes: "Axes", theorem: Theorem) -> None:
    """A log axis where the ratios span much, the line at 1, and the region of violations."""
    bounds = [bound for check in theorem.methods for bound in check.bounds]
    smallest = min(bound.mean_tightness for bound in bounds)
    largest = max(1.0, *(bound.max_tightness for bound in bounds))
    if smallest > 0 and largest / smallest > _LOG_FROM_RATIO:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        right = largest**1.1 * 1.25
    else:
        axes.set_xlim(left=0)
        right = 1.1 * largest
    axes.set_xlim(right=right)
    axes.axvline(1, color=BLACK, linewidth=1.6)
    axes.axvspan(1, right, color=VERMILLION, alpha=0.08, linewidth=0, label="Bound violated")


def _draw_legend(axes: "Axes", theorem: Theorem) -> None:
    for check in theorem.methods:
        axes.plot(
            [],
            [],
            color=METHOD_COLOURS[check.method],
            linewidth=4,
            label=METHOD_LABELS[check.method],
        )
    axes.plot([], [], "o", color=GREY, markersize=9, label="Mean over points")
    axes.plot([], [], "D", color=GREY, markerfacecolor="white", markersize=8, label="Maximum")
    axes.figure.legend(loc="outside lower center", ncols=5)
