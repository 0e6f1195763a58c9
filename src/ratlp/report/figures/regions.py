"""The decision boundary of a model of two inputs, and where an attack pushes the samples."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ratlp.assessment import Regions
from ratlp.evaluation import Examples
from ratlp.report.figures.classes import add_keys, class_colour, draw_moves
from ratlp.report.figures.style import BLACK, look, new_figure, settle

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def regions_figure(regions: Regions, examples: Examples, labels: Tensor) -> "Figure":
    """The class of each input as a tint, the boundaries between them, samples and their adversarial ends.

    Args:
        regions: The plane.
        examples: Samples of it, `[n, 2]`, and their perturbations.
        labels: `[n]`.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with look():
        from matplotlib.colors import ListedColormap, to_rgb

        figure = new_figure(6.6, 5.6)
        axes = figure.subplots()
        classes, highest = regions.logits.argmax(2), regions.logits.shape[2] - 1
        tints = [tuple(1 - 0.25 * (1 - part) for part in to_rgb(class_colour(k))) for k in range(highest + 1)]
        x, y = regions.columns.tolist(), regions.rows.tolist()
        axes.imshow(
            classes.numpy(), origin="lower", extent=(x[0], x[-1], y[0], y[-1]), aspect="auto",
            cmap=ListedColormap(tints), vmin=-0.5, vmax=highest + 0.5, interpolation="nearest",
        )  # fmt: skip
        for label in range(highest + 1):
            margin = regions.logits[..., label] - _without(regions.logits, label).amax(2)
            if bool((margin > 0).any()) and bool((margin < 0).any()):
                axes.contour(x, y, margin.numpy(), levels=[0.0], colors=[BLACK], linewidths=1.4)
        clean = examples.points.cpu().double()
        draw_moves(axes, clean, clean + examples.delta.cpu().double(), labels, examples.broken.cpu())
        add_keys(axes, labels)
        axes.grid(visible=False)
        axes.set_xlim(x[0], x[-1])
        axes.set_ylim(y[0], y[-1])
        axes.set_xlabel("Input $x_1$ (data units)")
        axes.set_ylabel("Input $x_2$ (data units)")
        figure.legend(loc="outside lower center", ncols=3)
        return settle(figure)


def _without(logits: Tensor, label: int) -> Tensor:
    return torch.cat([logits[..., :label], logits[..., label + 1 :]], dim=-1)
