"""Robust accuracies side by side, and times beside ratlp's."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.drawing import pictures

from attack_cost.results import LATENT_RATIO
from attack_cost.strength import CLEAN, Strength
from attack_cost.timing import Timing
from ratlp.report.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    VERMILLION,
    look,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

COLOURS = {
    "ratlp": BLUE,
    "foolbox": ORANGE,
    "ART": GREEN,
    "torchattacks": PURPLE,
    "pyautoattack": VERMILLION,
    "forward hook": GREY,
}


def plot(strengths: Sequence[Strength], times: Sequence[Timing], latents: Sequence[Timing]) -> dict[str, bytes]:
    """The figure by file name, PNG and SVG."""
    nets = list(dict.fromkeys((row.net, row.data) for row in strengths))
    with look():
        figure = new_figure(15, 4.6 * 2)
        above, below = figure.subfigures(2, 1)
        for axes, (net, data) in zip(above.subplots(1, len(nets), squeeze=False)[0], nets, strict=True):
            _accuracies(axes, [row for row in strengths if (row.net, row.data) == (net, data)])
            axes.set_title(f"{net}, {data}")
        _legend(above, list(dict.fromkeys(row.by for row in strengths if row.by)))
        left, right = below.subplots(1, 2, width_ratios=[2, 1])
        _ratios(left, times, target=1.0)
        left.set_title("PGD, ratlp's time over each peer's")
        _ratios(right, latents, target=LATENT_RATIO)
        right.set_title("Latent PGD at 75 % depth, likewise")
        return pictures("attacks", figure)


def _accuracies(axes: "Axes", rows: Sequence[Strength]) -> None:
    attacks = list(dict.fromkeys(row.attack for row in rows if row.attack != CLEAN))
    for place, attack in enumerate(attacks):
        own = [row for row in rows if row.attack == attack and row.robust_accuracy is not None]
        width = 0.8 / len(own)
        for number, row in enumerate(own):
            at = place + (number - (len(own) - 1) / 2) * width
            height = row.robust_accuracy or 0.0
            axes.bar(at, height, 0.92 * width, color=COLOURS[row.by])
            axes.text(at, height - 2, f"{height:.1f}", ha="center", rotation=90, va="top", color="white", fontsize=10)
    clean = next(row.robust_accuracy for row in rows if row.attack == CLEAN)
    axes.axhline(clean or 0.0, color=BLACK, linestyle=":", linewidth=1.2)
    axes.text(-0.45, (clean or 0.0) + 1, "clean", fontsize=10)
    axes.set_ylim(0, 108)
    axes.set_ylabel("robust accuracy (%)")
    axes.set_xticks(range(len(attacks)), attacks)
    axes.grid(visible=False, axis="x")


def _legend(figure: "SubFigure", names: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=COLOURS[name], label=name) for name in names]
    figure.legend(handles=handles, ncols=len(names), loc="outside lower center")


def _ratios(axes: "Axes", rows: Sequence[Timing], *, target: float) -> None:
    peers = [row for row in rows if row.by != "ratlp" and row.ratio is not None]
    for place, row in enumerate(peers):
        ratio, (low, high) = row.ratio or 0.0, row.quartiles or (0.0, 0.0)
        # The median lies between the quartiles but for rounding.
        bar = [[max(0.0, ratio - low)], [max(0.0, high - ratio)]]
        axes.barh(place, ratio, xerr=bar, color=COLOURS[row.by], capsize=3)
        axes.text(0.02 * target, place, f"{ratio:.2f}", va="center", color="white", fontsize=10)
    axes.axvline(target, color=BLACK, linestyle="--", linewidth=1.5)
    axes.set_yticks(range(len(peers)), [_label(row) for row in peers], fontsize=10)
    axes.invert_yaxis()
    axes.set_xlim(0, max([target, *(max(row.quartiles or (0.0,)) for row in peers)]) * 1.15)
    axes.set_xlabel("ratio; dashed: at most")
    axes.grid(visible=False, axis="y")


def _label(row: Timing) -> str:
    return row.what if row.by == "forward hook" else f"{row.what}, {row.mode}: {row.by}"
