"""Certified accuracy over the radius, between nothing and what is right without any perturbation."""

from typing import TYPE_CHECKING

import torch

from ratlp.certificates import Certification, CertifiedPoint
from ratlp.errors import InputError
from ratlp.latent.layers import INPUT
from ratlp.report.accuracies import ci95_percent, norm_name
from ratlp.report.figures.style import BLACK, BLUE, VERMILLION, look, new_figure, settle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_NUMBERS = 8  # beside the curve; more would touch each other
_MOST_STEPS = 500
_LOW = 8.0  # in %; a number below it would lie on the axis


def certified_figure(certification: Certification) -> "Figure":
    """The share of samples whose radius reaches eps, for every eps up to the largest asked for.

    A step curve with its 95 % confidence band, the numbers at the radii asked for, the clean accuracy as a line and,
    where an attack was run, the accuracies under it: what lies between them and the curve, nobody knows.

    Raises:
        InputError: No radius above 0 was asked for.
        MissingExtraError: matplotlib is not installed.
    """
    largest = max(certification.eps)
    if largest == 0:
        raise InputError("the figure needs a radius above 0; found 0 alone: ask for another eps")
    with look():
        figure = new_figure(8, 4.8)
        axes = figure.subplots()
        _draw_clean(axes, certification)
        _draw_curve(axes, _steps(certification, largest))
        _draw_asked(axes, certification)
        axes.set_xlim(0, 1.06 * largest)
        axes.set_ylim(0, 104)
        axes.set_xlabel(radius_label(certification))
        axes.set_ylabel(f"Accuracy (% of {certification.n:,} samples)")
        axes.figure.legend(loc="outside lower center", ncols=4)
        return settle(figure)


def radius_label(certification: Certification) -> str:
    """What the radius measures, in words.

    Example:
        >>> radius_label(Certification("features.3", "l2", None, (0.1,), 0.01, "float64", (0,), (0,), ()))
        "Radius of the L2 ball around the output of 'features.3', in its units"
    """
    space = "input" if certification.layer == INPUT else f"output of {certification.layer!r}"
    return f"Radius of the {norm_name(certification.norm)} ball around the {space}, in its units"


def _steps(certification: Certification, largest: float) -> list[CertifiedPoint]:
    """The curve at 0, wherever it falls, and at the largest radius; thinned out where it falls often."""
    radii = certification.radius[certification.correct & (certification.radius < largest)].unique()
    if len(radii) > _MOST_STEPS:
        radii = torch.linspace(0, largest, _MOST_STEPS, dtype=torch.float64)
    return [certification.point(eps) for eps in sorted({0.0, *radii.tolist(), *certification.eps})]


def _draw_clean(axes: "Axes", certification: Certification) -> None:
    clean = 100 * certification.clean.share
    label = f"Clean, {clean:.1f} %"
    axes.axhline(clean, color=BLACK, linestyle="--", linewidth=1.4, label=label)


def _draw_curve(axes: "Axes", steps: list[CertifiedPoint]) -> None:
    eps = [point.eps for point in steps]
    low, high = zip(*(ci95_percent(point.certified) for point in steps), strict=True)
    # A sample counts up to its own radius, so each value holds from the radius before.
    axes.fill_between(eps, low, high, step="pre", color=BLUE, alpha=0.2, linewidth=0, label="95 % CI")
    axes.step(eps, [100 * point.certified.share for point in steps], where="pre", color=BLUE, label="Certified")


def _draw_asked(axes: "Axes", certification: Certification) -> None:
    points = [point for point in certification.curve if point.eps > 0]
    axes.plot([p.eps for p in points], [100 * p.certified.share for p in points], "o", color=BLUE, markersize=6)
    if certification.attack is not None:
        held = [(p.eps, 100 * p.robust.share) for p in points if p.robust is not None]
        axes.plot(*zip(*held, strict=True), "D", color=VERMILLION, markersize=7, label="Right under attack")
    for point in points if len(points) <= _MOST_NUMBERS else ():
        share = 100 * point.certified.share
        # Below the falling curve where there is room, above it elsewhere.
        place, side = ((-6, -14), "right") if share > _LOW else ((5, 5), "left")
        axes.annotate(f"{share:.1f}", (point.eps, share), xytext=place, textcoords="offset points", ha=side)
