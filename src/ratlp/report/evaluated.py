"""An assessment as files, by name."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ratlp.assessment import Assessment, Views
from ratlp.report.document import Document, facts_of
from ratlp.report.evaluated_grids import place_name
from ratlp.report.evaluated_sections import alt_texts, evaluated_sections, summary, warning_lines
from ratlp.report.figures.latents import latents_figure
from ratlp.report.figures.pairs import pairs_figure
from ratlp.report.figures.regions import regions_figure
from ratlp.report.figures.robustness import robustness_figure
from ratlp.report.figures.style import figure_files
from ratlp.report.html import html_page
from ratlp.report.json_file import json_bytes, with_results
from ratlp.report.labels import data_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LABELS = {"few": "Shown, checked and bisected", "checks": "Self-checks", "certify": "Certificates"}
CLOSING = "The numbers are the same on the same versions and machine; seconds are not."


def evaluation_files(assessment: Assessment, seen: Views, facts: Mapping[str, Any]) -> dict[str, bytes]:
    """All that `ratlp evaluate` leaves behind, by file name.

    Args:
        assessment: What was found.
        seen: What there is to see.
        facts: What else `results.json` is to hold: `command`, `model`, `data`, `settings`, `versions`.

    Returns:
        `results.json`, `timings.json`, `report.html` and each figure as PNG and SVG.

    Raises:
        MissingExtraError: matplotlib or jinja2 is not installed.
    """
    figures = evaluation_figures(assessment, seen)
    files = {
        "report.html": evaluation_page(assessment, seen, facts, figures).encode(),
        "timings.json": json_bytes(dict(assessment.timings)),
        **figure_files(figures),
    }
    return with_results(files, {**assessment.to_dict(), **facts}, last=("distances", "samples"))


def evaluation_figures(assessment: Assessment, seen: Views) -> dict[str, "Figure"]:
    """Every figure that the results allow.

    Returns:
        "curve-0" and so on for each place, "regions" or "pairs", "latents-0" and so on.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figures = {}
    for index, curve in enumerate(assessment.curves):
        certified = assessment.certificate(curve.layer)
        eps = next(one.eps for one in assessment.evaluation.attacks if one.layer == curve.layer)
        worst = (eps, assessment.worst_case(curve.layer)) if isinstance(eps, float) else None
        figures[f"curve-{index}"] = robustness_figure({f"Under {curve.name}": curve}, worst=worst, certified=certified)
    if seen.regions is not None and seen.examples is not None:
        figures["regions"] = regions_figure(seen.regions, seen.examples, seen.labels)
    elif seen.image is not None and seen.examples is not None:
        figures["pairs"] = pairs_figure(seen.examples, seen.labels, seen.image)
    for index, moved in enumerate(seen.latents):
        figures[f"latents-{index}"] = latents_figure(moved, seen.labels)
    return figures


def evaluation_page(
    assessment: Assessment, seen: Views, facts: Mapping[str, Any], figures: Mapping[str, "Figure"]
) -> str:
    """The page, as text of an HTML file.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    document = Document(
        title="How robust is this classifier?",
        lede=f"{facts['model']}, on {data_label(facts['data'])}: {assessment.evaluation.clean.n:,} samples.",
        summary=summary(assessment),
        warning=warning_lines(assessment),
        facts=cards(facts),
        sections=tuple(evaluated_sections(assessment, seen)),
        command=facts["command"],
        versions=facts["versions"],
        closing=CLOSING,
    )
    return html_page(document, figures, alt_texts(assessment, seen))


def cards(facts: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """What was evaluated on what, and how.

    Example:
        >>> settings = {"attacks": "fgsm,pgd", "batch_size": 8, "budgets": {"2": {"radii": [0.1], "relative": False}}}
        >>> cards({"data": {"kind": "moons", "n_test": 3}, "settings": settings})["Attacks"]
        [('Attacks', 'fgsm, pgd'), ('Batch size', '8'), ('Eps at layer 2', '0.1')]
    """
    data = {key: value for key, value in facts["data"].items() if key != "kind"}
    settings: dict[str, Any] = dict(facts["settings"])
    settings["attacks"] = settings["attacks"].replace(",", ", ")
    settings["batch_size"] = settings["batch_size"] or "as many as fit in memory"
    budgets = settings.pop("budgets")
    for layer, budget in budgets.items():
        unit = " of the latent's scale" if budget["relative"] else ""
        settings[f"eps at {place_name(layer)}"] = f"{', '.join(map(str, budget['radii']))}{unit}"
    return facts_of({"Data": data, "Attacks": {_LABELS.get(key, key): value for key, value in settings.items()}})
