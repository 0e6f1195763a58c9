"""Images, their adversarial twins, and the difference."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ratlp.evaluation import Examples
from ratlp.report.figures.style import VERMILLION, look, new_figure, settle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST = 6


def shown(examples: Examples, labels: Tensor) -> list[int]:
    """Which samples to show: broken ones first, of different classes first, in their order.

    Example:
        >>> zeros, broken = torch.zeros(4, 2), torch.tensor([False, True, True, True])
        >>> found = Examples(zeros, zeros, broken, zeros, zeros)
        >>> shown(found, torch.tensor([0, 1, 1, 0]))
        [1, 3, 2, 0]
    """
    broken, seen, ranked = examples.broken.tolist(), dict[int, int](), []
    for place, label in enumerate(labels.tolist()):
        if broken[place]:
            seen[label] = seen.get(label, -1) + 1
        ranked.append((not broken[place], seen.get(label, 0), place))
    return [place for _, _, place in sorted(ranked)][:_MOST]


def pairs_figure(examples: Examples, labels: Tensor, image: tuple[int, int, int]) -> "Figure":
    """One column for each of up to six samples: clean, adversarial, the difference in colour from - to + its largest.

    Args:
        examples: Samples, `[n, *features]`, and their perturbations.
        labels: `[n]`.
        image: (channels, height, width), as which features are shown.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    chosen = shown(examples, labels)
    points, deltas = (part[chosen].detach().cpu().view(-1, *image) for part in (examples.points, examples.delta))
    low, high = float(points.min()), float(points.max())
    largest = float(deltas.abs().max()) or 1.0
    rows = (_titles(labels, examples.logits, chosen), _titles(labels, examples.adversarial_logits, chosen))
    with look():
        figure = new_figure(7.2, 3.9)
        panels = figure.subplots(3, len(chosen), squeeze=False)
        for column, (point, delta) in enumerate(zip(points, deltas, strict=True)):
            _draw(panels[0, column], point, low, high)
            _draw(panels[1, column], point + delta, low, high)
            panels[2, column].imshow(delta.mean(0).numpy(), cmap="RdBu_r", vmin=-largest, vmax=largest)
            for row, titles in enumerate(rows):
                text, wrong = titles[column]
                panels[row, column].set_title(text, fontsize=10, color=VERMILLION if wrong else "black")
        for row, name in enumerate(("Clean", "Adversarial", "Difference")):
            panels[row, 0].set_ylabel(name)
        for panel in panels.flat:
            panel.set_xticks([])
            panel.set_yticks([])
            panel.grid(visible=False)
        figure.colorbar(panels[2, 0].images[0], ax=panels[2, :].tolist(), shrink=0.9, label="units of\nthe input")
        return settle(figure)


def _titles(labels: Tensor, logits: Tensor, chosen: list[int]) -> list[tuple[str, bool]]:
    """The prediction with its probability, and whether it is wrong."""
    probabilities = logits[chosen].detach().cpu().double().softmax(1)
    best = torch.max(probabilities, 1)
    pairs = zip(best.indices.tolist(), best.values.tolist(), labels[chosen].tolist(), strict=True)
    return [(f"as {found} ({100 * share:.0f} %)", found != label) for found, share, label in pairs]


def _draw(axes: "Axes", image: Tensor, low: float, high: float) -> None:
    if len(image) == 3:
        axes.imshow(((image - low) / ((high - low) or 1.0)).clamp(0, 1).permute(1, 2, 0).numpy())
    else:
        axes.imshow(image[0].numpy(), cmap="gray", vmin=low, vmax=high)
