"""Ratio against depth: a column for each model, one-step variants above, PGD below."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from shared.drawing import pictures

from ratlp.report.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY_BLUE,
    VERMILLION,
    look,
    new_figure,
)
from step_cost.results import Row
from step_cost.subject import DEPTHS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Look(NamedTuple):
    """Of one variant."""

    colour: str
    marker: str
    label: str


LOOKS: Final[tuple[dict[str, Look], dict[str, Look]]] = (
    {
        "literal": Look(ORANGE, "s", "Algorithm 1, literal"),
        "recompute": Look(VERMILLION, "^", "whole model twice"),
        "input-fgsm": Look(PURPLE, "", "FGSM training at the input"),
        "ratlp": Look(BLUE, "o", "RATLP"),
    },
    {
        "pgd-7": Look(PURPLE, "", "PGD-7 training at the input"),
        "pgd-4-whole": Look(VERMILLION, "^", "PGD-4, whole model"),
        "pgd-4-replay": Look(SKY_BLUE, "D", "RATLP, PGD-4, random start"),
        "pgd-4-replay-zero": Look(GREEN, "o", "RATLP, PGD-4, from zero"),
    },
)
LIMIT_OF: Final = ("ratlp", "pgd-4-replay-zero")
TITLES: Final = {"mlp": "MLP", "cnn": "ResNet-18", "vit": "ViT", "bert": "BERT"}


def plot(rows: Sequence[Row]) -> dict[str, bytes]:
    """The figure by file name, PNG and SVG."""
    models = list(dict.fromkeys(row.model for row in rows))
    with look():
        figure = new_figure(3.0 * len(models) + 3.2, 7.4)
        axes = figure.subplots(2, len(models), sharex=True, sharey="row", squeeze=False)
        for column, model in enumerate(models):
            for line, looks in enumerate(LOOKS):
                own = [row for row in rows if row.model == model]
                _panel(axes[line, column], own, looks, LIMIT_OF[line])
            axes[0, column].set_title(TITLES[model])
            axes[1, column].set_xlabel("depth of the layer (%)")
        for line, kind in enumerate(("one step", "PGD")):
            # Lines across do not move the limits of axes that are shared
            axes[line, 0].set_ylim(0, 1.04 * max(row.spread[1] for row in rows if row.variant in LOOKS[line]))
            axes[line, 0].set_ylabel(f"time / standard step\n({kind})")
        _legends(figure, axes)
        return pictures("step_cost", figure)


def _panel(axes: "Axes", rows: Sequence[Row], looks: dict[str, Look], limit_of: str) -> None:
    axes.axhline(1, color=GREY, linewidth=1.2, linestyle=":", label="standard step")
    for variant, style in looks.items():
        own = [row for row in rows if row.variant == variant]
        if not own:
            continue
        if not style.marker:  # does not depend on the depth
            axes.axhline(own[0].ratio, color=style.colour, label=style.label, linestyle="-.")
            axes.axhspan(*own[0].spread, color=style.colour, alpha=0.2, linewidth=0)
            continue
        # The median lies between the quartiles but for rounding.
        bars = [
            [max(0.0, row.ratio - row.spread[0]) for row in own],
            [max(0.0, row.spread[1] - row.ratio) for row in own],
        ]
        depths, values = [row.depth for row in own], [row.ratio for row in own]
        axes.errorbar(
            depths,
            values,
            bars,
            color=style.colour,
            marker=style.marker,
            markersize=6,
            capsize=3,
            label=style.label,
        )
    limits = [row for row in rows if row.variant == limit_of]
    depths, values = [row.depth for row in limits], [row.limit for row in limits]
    label = "limit" if limit_of == "ratlp" else "limit, from zero"
    axes.plot(depths, values, color=BLACK, linestyle="--", zorder=5, linewidth=1.5, label=label)
    axes.set_xticks(DEPTHS)


def _legends(figure: "Figure", axes: Any) -> None:
    for line in range(len(LOOKS)):
        handles, labels = axes[line, -1].get_legend_handles_labels()
        axes[line, -1].legend(handles, labels, loc="center left", bbox_to_anchor=(1.02, 0.5))
