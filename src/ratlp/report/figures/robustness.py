"""Robust accuracy over eps, of one model or of several."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ratlp.assessment import Certified
from ratlp.errors import InputError
from ratlp.evaluation import Accuracy, Curve
from ratlp.latent.layers import INPUT
from ratlp.report.accuracies import ci95_percent, norm_name
from ratlp.report.figures.style import (
    BLACK,
    GREEN,
    GREY,
    PALETTE,
    VERMILLION,
    look,
    new_figure,
    settle,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS: Final = (*PALETTE, GREY, BLACK)
_MARKERS: Final = "osD^vPX*"
_Points = Sequence[tuple[float, Accuracy]]


def robustness_figure(
    curves: Mapping[str, Curve], *, worst: tuple[float, Accuracy] | None = None, certified: Certified | None = None
) -> "Figure":
    """Each model's robust accuracy over eps with its 95 % confidence band.

    Args:
        curves: By the name of the model, or of the one attack where there is one model; all at one place.
        worst: An eps, and what withstands all attacks there.
        certified: What is proved, below which nothing can fall.

    Raises:
        InputError: There is no curve.
        MissingExtraError: matplotlib is not installed.

    Example:
        >>> from ratlp.evaluation import CurvePoint
        >>> ends = [CurvePoint(eps, eps, None, Accuracy(n, 10), Accuracy(n, 10)) for eps, n in ((0.0, 9), (0.1, 4))]
        >>> curve = Curve("pgd", "input", "input", "linf", None, None, tuple(ends))
        >>> robustness_figure({"net": curve}).axes[0].get_ylabel()
        'Robust accuracy (%)'
    """
    if not curves:
        raise InputError("the figure needs at least one curve; found none")
    with look():
        figure = new_figure(6.6, 4.6)
        axes = figure.subplots()
        for index, (name, curve) in enumerate(curves.items()):
            _draw_curve(axes, name, curve, index)
        if certified is not None and certified.points:
            points = [(point.eps, point.certified) for point in certified.points]
            _draw_line(axes, points, "s--", colour=GREEN, label="Certified")
        if worst is not None:
            _draw_worst(axes, *worst)
        first = next(iter(curves.values()))
        axes.set_xlim(0, 1.03 * max(point.eps for curve in curves.values() for point in curve.points))
        axes.set_ylim(-2, 102)
        axes.set_xlabel(eps_label(first))
        axes.set_ylabel("Robust accuracy (%)")
        if len(curves) == 1:
            _draw_other_unit(axes, first)
        figure.legend(loc="outside lower center", ncols=2)
        return settle(figure)


def eps_label(curve: Curve) -> str:
    """What eps measures.

    Example:
        >>> eps_label(Curve("pgd", "latent", "encoder", "linf", None, 0.5, ()))
        "L-inf radius eps at 'encoder', in units of the latent"
    """
    norm = norm_name(curve.norm)
    if curve.layer == INPUT:
        return f"{norm} radius eps, in units of the input"
    unit = "units of the latent" if curve.relative_to is None else "multiples of the latent's scale"
    return f"{norm} radius eps at {curve.layer!r}, in {unit}"


def _draw_curve(axes: "Axes", name: str, curve: Curve, index: int) -> None:
    line, colour = f"{_MARKERS[index % len(_MARKERS)]}-", _COLOURS[index % len(_COLOURS)]
    points = [(point.eps, point.robust) for point in curve.points]
    band = "95 % confidence interval" if index == 0 else None
    _draw_line(axes, points, line, colour=colour, label=name, band=band)


def _draw_line(axes: "Axes", points: _Points, line: str, *, colour: str, label: str, band: str | None = None) -> None:
    """Shares over eps as a line, and their 95 % confidence band."""
    eps = [eps for eps, _ in points]
    low, high = zip(*(ci95_percent(accuracy) for _, accuracy in points), strict=True)
    axes.fill_between(eps, low, high, color=colour, alpha=0.2, linewidth=0, label=band)
    shares = [100 * accuracy.share for _, accuracy in points]
    axes.plot(eps, shares, line, color=colour, label=label, clip_on=False, zorder=3)


def _draw_worst(axes: "Axes", eps: float, accuracy: Accuracy) -> None:
    low, high = ci95_percent(accuracy)
    share = 100 * accuracy.share
    axes.errorbar(
        eps, share, [[share - low], [high - share]], color=VERMILLION, marker="D", markersize=8, capsize=4,
        linestyle="none", label="Worst case of all attacks", zorder=4,
    )  # fmt: skip


def _draw_other_unit(axes: "Axes", curve: Curve) -> None:
    """At a layer the other unit, above: the latent's own scale, or absolute."""
    if not curve.unit:
        return
    unit = curve.unit if curve.relative_to is None else 1 / curve.unit
    above = axes.secondary_xaxis("top", functions=(partial(_times, 1 / unit), partial(_times, unit)))
    above.set_xlabel(
        "in multiples of the latent's scale" if curve.relative_to is None else "in units of the latent, on average"
    )


def _times(factor: float, eps: Any) -> Any:
    return factor * eps
