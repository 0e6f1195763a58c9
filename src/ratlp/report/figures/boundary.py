"""Figure 1: the decision boundaries, with the inputs that an attack of size eps can push across."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ratlp.errors import InputError
from ratlp.experiments.results import Boundary
from ratlp.report.figures.style import BLACK, BLUE, VERMILLION, look, new_figure, settle
from ratlp.report.labels import METHOD_LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

_CLASS_COLOURS = (BLUE, VERMILLION)
_CLASS_MARKERS = ("o", "^")


def boundary_figure(boundaries: Sequence[Boundary]) -> "Figure":
    """Figure 1, one panel per method.

    Each panel shows P(class 1) as shading, the decision boundary, the band of inputs within L-inf
    distance eps of it, and the test points; the misclassified ones are ringed.

    Raises:
        InputError: There is no boundary to draw.
        MissingExtraError: matplotlib is not installed.
    """
    if not boundaries:
        raise InputError("the boundary figure needs at least one boundary; found none")
    with look():
        height = 4.2 * _height_per_width(boundaries[0]) + 1.7
        figure = new_figure(4.7 * len(boundaries) + 1, height)
        panels = figure.subplots(1, len(boundaries), squeeze=False, sharex=True, sharey=True)[0]
        for panel, boundary in zip(panels, boundaries, strict=True):
            shading = _draw_panel(panel, boundary)
        panels[0].set_ylabel("Input $x_2$ (data units)")
        bar = figure.colorbar(shading, cax=panels[-1].inset_axes((1.04, 0, 0.04, 1)))
        bar.set_label("Predicted P(class 1)")
        bar.outline.set_visible(False)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, columnspacing=1.6)
        return settle(figure)


def margin_band(boundary: Boundary) -> np.ndarray:
    """The grid points within L-inf distance eps of a grid point of the other class.

    Returns:
        `[rows, columns]`, bool: exact at the grid's resolution, for an evenly spaced grid.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    predicted = (boundary.probability > 0.5).astype(np.int8)
    size = tuple(2 * _steps_within(axis, boundary.eps) + 1 for axis in (boundary.y, boundary.x))
    highest = maximum_filter(predicted, size=size, mode="nearest")
    lowest = minimum_filter(predicted, size=size, mode="nearest")
    return np.asarray(highest != lowest)


def _steps_within(axis: np.ndarray, eps: float) -> int:
    """How many grid steps fit into eps; a thousandth of a step forgives a float32 grid its rounding."""
    step = (axis[-1] - axis[0]) / (len(axis) - 1)
    return int(np.floor(eps / step + 1e-3))


def _height_per_width(boundary: Boundary) -> float:
    """Of a panel; a plane longer or flatter than is sensible leaves space in its panel instead."""
    ratio = (boundary.y[-1] - boundary.y[0]) / (boundary.x[-1] - boundary.x[0])
    return float(np.clip(ratio, 0.3, 1.5))


def _draw_panel(axes: "Axes", boundary: Boundary) -> "AxesImage":
    half_x = (boundary.x[-1] - boundary.x[0]) / (len(boundary.x) - 1) / 2
    half_y = (boundary.y[-1] - boundary.y[0]) / (len(boundary.y) - 1) / 2
    shading = axes.imshow(
        boundary.probability,
        origin="lower",
        extent=(
            boundary.x[0] - half_x,
            boundary.x[-1] + half_x,
            boundary.y[0] - half_y,
            boundary.y[-1] + half_y,
        ),
        cmap=_diverging(),
        vmin=0,
        vmax=1,
        interpolation="bilinear",
    )
    _draw_band(axes, boundary)
    _draw_points(axes, boundary)
    axes.grid(visible=False)
    axes.set_aspect("equal")
    axes.set_xlim(boundary.x[0], boundary.x[-1])
    axes.set_ylim(boundary.y[0], boundary.y[-1])
    axes.set_xlabel("Input $x_1$ (data units)")
    axes.set_title(f"{METHOD_LABELS[boundary.method]}: {boundary.accuracy:.1f} % clean accuracy")
    return shading


def _draw_band(axes: "Axes", boundary: Boundary) -> None:
    band = margin_band(boundary)
    if band.any():
        axes.contourf(boundary.x, boundary.y, band, levels=[0.5, 1.5], colors=["#1A1A1A"], alpha=0.28)
        axes.contour(
            boundary.x,
            boundary.y,
            band,
            levels=[0.5],
            colors=[BLACK],
            linewidths=0.9,
            linestyles="--",
        )
    if boundary.probability.min() < 0.5 < boundary.probability.max():
        axes.contour(
            boundary.x,
            boundary.y,
            boundary.probability,
            levels=[0.5],
            colors=[BLACK],
            linewidths=2.4,
        )
    axes.plot([], [], color=BLACK, linewidth=2.4, label="Decision boundary")
    axes.fill_between(
        [],
        [],
        facecolor="#B9B9B9",
        edgecolor=BLACK,
        linestyle="--",
        linewidth=0.9,
        label=f"Within L-inf distance {boundary.eps:g}",
    )


def _draw_points(axes: "Axes", boundary: Boundary) -> None:
    for label, (colour, marker) in enumerate(zip(_CLASS_COLOURS, _CLASS_MARKERS, strict=True)):
        x, y = boundary.points[boundary.labels == label].T
        axes.scatter(
            x, y, s=34, c=colour, marker=marker, edgecolors="white", linewidths=0.7,
            label=f"Test point of class {label}", zorder=3,
        )  # fmt: skip
    x, y = boundary.points[~boundary.correct].T
    axes.scatter(
        x, y, s=120, facecolors="none", edgecolors=BLACK, linewidths=1.6,
        label="Misclassified", zorder=4,
    )  # fmt: skip


def _diverging() -> "Colormap":
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("classes", ["#7FB8DE", "#F7F7F7", "#F2A773"])
