"""Robust accuracy against the cost of training."""

import io
from collections.abc import Sequence
from statistics import mean

from robust_training.results import Row

# Okabe and Ito's colours, told apart by the colour-blind, and a marker of its own for each method.
STYLES = {
    "standard": ("#000000", "o"),
    "ratlp": ("#999999", "v"),
    "relative": ("#56B4E9", "^"),
    "fgsm-rs": ("#E69F00", "s"),
    "pgd-7": ("#D55E00", "D"),
    "trades": ("#CC79A7", "P"),
    "propagated": ("#009E73", "*"),
    "interval": ("#0072B2", "X"),
}


def plot(rows: Sequence[Row], *, data: str) -> dict[str, bytes]:
    """For each net: accuracy under AutoAttack, and certified, over the cost; PNG and SVG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    nets = list(dict.fromkeys(row.net for row in rows))
    panels = [("autoattack", "Robust accuracy under APGD-CE and APGD-T (%)"), ("certified", "Certified accuracy (%)")]
    figure, axes = plt.subplots(len(nets), 2, figsize=(11, 4.6 * len(nets)), squeeze=False, layout="constrained")
    for line, net in zip(axes, nets, strict=True):
        for axis, (column, label) in zip(line, panels, strict=True):
            _panel(axis, [row for row in rows if row.net == net], column)
            axis.set_xlabel("Time of a training step, in standard steps (log scale)")
            axis.set_ylabel(label)
            axis.set_title(f"{data}, {net} net, L-inf 0.1")
    axes[0][0].legend(loc="lower right", fontsize=8, framealpha=0.9)
    found = {}
    for kind in ("png", "svg"):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else None)
        found[f"robust_training.{kind}"] = buffer.getvalue()
    plt.close(figure)
    return found


def _panel(axis, rows: Sequence[Row], column: str) -> None:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.method, row.layer), []).append(row)
    named = set()
    for (method, _), group in groups.items():
        colour, marker = STYLES[method]
        values = [getattr(row, column) for row in group]
        cost = mean(row.time_ratio for row in group)
        spread = [[mean(values) - min(values)], [max(values) - mean(values)]]
        label = None if method in named else method
        axis.errorbar(cost, mean(values), yerr=spread, fmt=marker, color=colour, markersize=9, capsize=3, label=label)
        named.add(method)
    _name_layers(axis, {layer: group for (method, layer), group in groups.items() if method == "propagated"}, column)
    axis.set_xscale("log")
    axis.set_xticks([1, 2, 3, 5, 10], labels=["1", "2", "3", "5", "10"])
    axis.minorticks_off()
    axis.set_ylim(-3, 100)
    axis.grid(alpha=0.3)


def _name_layers(axis, groups: dict[str, Sequence[Row]], column: str) -> None:
    """Beside the markers, from the highest downwards, so that no name lies on another."""
    heights = {layer: mean(getattr(row, column) for row in group) for layer, group in groups.items()}
    for rank, layer in enumerate(sorted(heights, key=heights.__getitem__, reverse=True)):
        cost = mean(row.time_ratio for row in groups[layer])
        place = (8, 8 - 11 * rank)
        axis.annotate(layer, (cost, heights[layer]), xytext=place, textcoords="offset points", fontsize=8)
