"""Clean and adversarial latents on the plane in which the clean ones spread most."""

from typing import TYPE_CHECKING

from torch import Tensor

from ratlp.assessment import Moved
from ratlp.report.figures.classes import add_keys, class_colour, draw_moves
from ratlp.report.figures.style import look, new_figure, settle

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def latents_figure(moved: Moved, labels: Tensor) -> "Figure":
    """The first two principal components of the latents; each broken sample with its move.

    Args:
        moved: The projected latents.
        labels: `[n]`.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with look():
        figure = new_figure(6.6, 5.8)
        axes = figure.subplots()
        draw_moves(axes, moved.clean, moved.adversarial, labels, moved.broken)
        for label in sorted(set(labels.tolist())):
            x, y = moved.clean[labels == label].median(0).values.tolist()
            box = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": class_colour(label), "alpha": 0.9}
            axes.annotate(str(label), (x, y), ha="center", va="center", fontweight="bold", bbox=box, zorder=5)
        add_keys(axes, labels)
        for axis, share, number in ((axes.xaxis, moved.shares[0], 1), (axes.yaxis, moved.shares[1], 2)):
            axis.set_label_text(f"Principal component {number} ({100 * share:.0f} % of the variance)")
        figure.legend(loc="outside lower center", ncols=4)
        return settle(figure)
