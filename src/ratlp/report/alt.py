"""What the figures show, in words, for those who do not see them."""

from ratlp.experiments.results import Reproduction
from ratlp.report.labels import BOUND_LABELS, METHOD_LABELS, key_label, metric_in_text


def alt_texts(reproduction: Reproduction) -> dict[str, str]:
    """One text for each name of `report_figures`."""
    return {
        "table1": _table1(reproduction),
        "boundary": _boundary(reproduction),
        "ablation": (
            "Line plots of clean and attacked accuracy, above, and of the mean latent magnitude and the "
            "head norm L_g, below, against each parameter; the table of the ablation has the numbers."
        ),
        "theorem": _theorem(reproduction),
    }


def _table1(reproduction: Reproduction) -> str:
    cells = (
        f"{METHOD_LABELS[row.method]}, {metric_in_text(row.metric)}: {row.mean:.1f} %"
        + ("" if row.paper is None else f" (paper {row.paper:.1f} %)")
        for row in reproduction.table1
    )
    return f"Dot plot of accuracies with their 95 % intervals. {'; '.join(cells)}."


def _boundary(reproduction: Reproduction) -> str:
    panels = (
        f"{METHOD_LABELS[boundary.method]} ({boundary.accuracy:.1f} % clean accuracy)"
        for boundary in reproduction.boundaries
    )
    return (
        "Maps of the predicted probability of class 1 over the two inputs, with the decision boundary, "
        "the band of inputs near it and the test points, the misclassified ones ringed. Panels: "
        f"{', '.join(panels)}."
    )


def _theorem(reproduction: Reproduction) -> str:
    cells = (
        f"{METHOD_LABELS[check.method]}, {BOUND_LABELS.get(bound.name, key_label(bound.name))}: "
        f"mean {bound.mean_tightness:.2f}, maximum {bound.max_tightness:.2f}"
        for check in reproduction.theorem.methods
        for bound in check.bounds
    )
    return (
        "Dot plot of the exact increase of the loss over each claimed bound; above 1 the bound is "
        f"violated. {'; '.join(cells)}."
    )
