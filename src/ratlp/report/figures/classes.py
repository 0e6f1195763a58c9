"""One colour for each class, told apart by colour-blind eyes as far as ten colours go."""

from typing import TYPE_CHECKING, Final

from torch import Tensor

from ratlp.report.figures.style import BLACK, GREY, PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS: Final = (*PALETTE, BLACK, "#8C6D1F", "#7A1FA2", GREY)


def class_colour(label: int) -> str:
    """The colour of a class; they repeat after ten.

    Example:
        >>> class_colour(0) == class_colour(10)
        True
    """
    return _COLOURS[label % len(_COLOURS)]


def draw_moves(axes: "Axes", clean: Tensor, adversarial: Tensor, labels: Tensor, broken: Tensor) -> None:
    """Samples in the plane and where an attack moved them: dots in the class's colour, crosses where it is broken.

    Args:
        axes: To draw on.
        clean: `[n, 2]`.
        adversarial: `[n, 2]`.
        labels: `[n]`.
        broken: `[n]`.
    """
    colours = [class_colour(label) for label in labels.tolist()]
    x, y = clean.unbind(1)
    axes.scatter(x, y, s=26, c=colours, edgecolors="white", linewidths=0.6, zorder=3)
    for place in broken.nonzero()[:, 0].tolist():
        (x0, y0), (x1, y1) = clean[place].tolist(), adversarial[place].tolist()
        axes.plot((x0, x1), (y0, y1), color=colours[place], linewidth=0.9, alpha=0.7, zorder=2)
        axes.scatter(x1, y1, s=34, c=colours[place], marker="x", linewidths=1.6, zorder=4)


def add_keys(axes: "Axes", labels: Tensor) -> None:
    """Entries of the legend: the classes, and what a cross is."""
    for label in sorted(set(labels.tolist())):
        axes.scatter([], [], s=40, c=class_colour(label), label=f"Class {label}")
    axes.scatter([], [], s=40, c=BLACK, marker="x", label="Adversarial, misclassified")
