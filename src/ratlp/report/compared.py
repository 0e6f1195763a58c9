"""Several models side by side, as files by name."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ratlp.assessment import Assessment, Difference
from ratlp.errors import InputError
from ratlp.latent.layers import at_layer
from ratlp.report.accuracies import percent_with_interval
from ratlp.report.document import Document, Section
from ratlp.report.evaluated import CLOSING, cards
from ratlp.report.evaluated_grids import budgets, checks_grid, distrusted, place_name
from ratlp.report.evaluated_sections import warning_lines
from ratlp.report.figures.robustness import robustness_figure
from ratlp.report.figures.style import figure_files
from ratlp.report.grid import Column, Grid
from ratlp.report.html import html_page
from ratlp.report.json_file import json_bytes, with_results
from ratlp.report.labels import data_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = "ratlp.compare/1"
"""Names the layout of `results.json`."""

Found = Mapping[str, Assessment]
"""Assessments by the names of their models."""


def comparison_files(found: Found, differing: Sequence[Difference], facts: Mapping[str, Any]) -> dict[str, bytes]:
    """All that `ratlp compare` leaves behind, by file name.

    Args:
        found: Each model's assessment, on the same samples.
        differing: Between every two of them.
        facts: What else `results.json` is to hold: `command`, `models` (where each came from, by name), `data`,
            `settings`, `versions`.

    Returns:
        `results.json`, `timings.json`, `report.html` and each figure as PNG and SVG.

    Raises:
        MissingExtraError: matplotlib or jinja2 is not installed.
    """
    figures = comparison_figures(found)
    files = {
        "report.html": comparison_page(found, differing, facts, figures).encode(),
        "timings.json": json_bytes({name: dict(one.timings) for name, one in found.items()}),
        **figure_files(figures),
    }
    shared = {key: value for key, value in facts.items() if key != "models"}
    content = {
        "schema": SCHEMA,
        **shared,
        "differences": [difference.to_dict() for difference in differing],
        "models": [{"name": name, "model": facts["models"][name], **one.to_dict()} for name, one in found.items()],
    }
    return with_results(files, content, last=("differences", "models"))


def comparison_figures(found: Found) -> dict[str, "Figure"]:
    """The curves of all models, "curve-0" and so on for each place.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    indices = range(len(_first(found).curves))
    return {
        f"curve-{index}": robustness_figure({name: one.curves[index] for name, one in found.items()})
        for index in indices
    }


def comparison_page(
    found: Found, differing: Sequence[Difference], facts: Mapping[str, Any], figures: Mapping[str, "Figure"]
) -> str:
    """The page, as text of an HTML file.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    warnings = [f"{name}: {line}" for name, one in found.items() for line in warning_lines(one)]
    samples = f"{_first(found).evaluation.clean.n:,} samples"
    document = Document(
        title="Which classifier is more robust?",
        lede=f"{', '.join(found)}, on the same {samples} of {data_label(facts['data'])}, under the same attacks.",
        summary=_summary(differing),
        warning=tuple(warnings),
        facts={"Models": list(facts["models"].items()), **cards(facts)},
        sections=tuple(_sections(found, differing)),
        command=facts["command"],
        versions=facts["versions"],
        closing=CLOSING,
    )
    alt = {
        f"curve-{index}": f"Line plot of each model's robust accuracy over eps at {place_name(curve.layer)}."
        for index, curve in enumerate(_first(found).curves)
    }
    return html_page(document, figures, alt)


def accuracies_grid(found: Found) -> Grid:
    """Clean, worst-case and each attack's accuracy, one column for each model."""
    first = _first(found)
    rows = [("Clean", "", *(percent_with_interval(one.evaluation.clean) for one in found.values()))]
    for layer in first.layers:
        place = place_name(layer)
        rows.append(("Worst case", place, *(percent_with_interval(one.worst_case(layer)) for one in found.values())))
        for row, attack in enumerate(first.evaluation.attacks):
            if attack.layer == layer:
                cells = (percent_with_interval(one.evaluation.attacks[row].robust) for one in found.values())
                rows.append((attack.name.removesuffix(at_layer(layer)), place, *cells))
    columns = (Column("Attack"), Column("At"), *(Column(name, right=True) for name in found))
    return Grid(columns, tuple(rows))


def differences_grid(differing: Sequence[Difference]) -> Grid:
    """One row for each two models and measure.

    Example:
        >>> differences_grid([Difference("a", "b", "clean", 0.05, (0.01, 0.09), 6, 1, 0.125)]).rows[0][2:]
        ('clean', '+5.0', '[+1.0, +9.0]', '6', '1', '0.125')
    """
    titles = ("Points", "95 % CI", "Only 1st", "Only 2nd", "p")
    columns = (Column("First"), Column("Second"), Column("Measure"), *(Column(title, right=True) for title in titles))
    rows = [
        (
            one.first,
            one.second,
            one.measure,
            f"{100 * one.difference:+.1f}",
            f"[{100 * one.ci95[0]:+.1f}, {100 * one.ci95[1]:+.1f}]",
            f"{one.first_only:,}",
            f"{one.second_only:,}",
            f"{one.p_value:.3g}",
        )
        for one in differing
    ]
    return Grid(columns, tuple(rows))


def _sections(found: Found, differing: Sequence[Difference]) -> Iterator[Section]:
    yield Section(
        title="Robust accuracy",
        prose=(
            "With 95 % Wilson confidence intervals. Each is an upper bound: a stronger attack may find more.",
            f"Budgets: {'; '.join(_budgets(found))}.",
        ),
        grid=accuracies_grid(found),
    )
    yield Section(
        title="Differences, sample by sample",
        prose=(
            "Share of the first model less share of the second, with the 95 % interval for paired samples (Agresti and "
            "Min 2005); the samples that only the one or only the other gets right; and p of McNemar's exact two-sided "
            "test of no difference. Of many such tests, one in twenty falls below 0.05 by chance.",
        ),
        grid=differences_grid(differing),
    )
    for index, curve in enumerate(_first(found).curves):
        yield Section(
            title=f"Accuracy over eps, at {place_name(curve.layer)}",
            prose=(f"By {curve.name} alone. What it breaks at one eps counts as broken at every larger one.",),
            figure=f"curve-{index}",
            caption="Bands: 95 % Wilson confidence intervals.",
        )
    for name, one in found.items():
        checks = one.evaluation.checks
        if checks:
            yield Section(title=f"Self-checks of {name}", grid=checks_grid(checks), marked=distrusted(checks))


def _budgets(found: Found) -> Iterator[str]:
    """At each place, of each model where the scale of its latent makes it another."""
    by_model = {name: budgets(one) for name, one in found.items()}
    for place in budgets(_first(found)):
        texts = {name: own[place] for name, own in by_model.items()}
        if len(set(texts.values())) == 1:
            yield f"{next(iter(texts.values()))} at {place}"
        else:
            yield f"at {place} {', '.join(f'{text} for {name}' for name, text in texts.items())}"


def _summary(differing: Sequence[Difference]) -> str:
    clear = [one for one in differing if one.measure != "clean" and one.p_value < 0.05]
    if not clear:
        return "No difference in the worst case is larger than chance would make it (McNemar's test at 5 %)."
    return " ".join(
        f"{one.first if one.difference > 0 else one.second} is more robust than "
        f"{one.second if one.difference > 0 else one.first} ({one.measure}: {100 * abs(one.difference):.1f} points, "
        f"p = {one.p_value:.2g})."
        for one in clear
    )


def _first(found: Found) -> Assessment:
    if not found:
        raise InputError("a comparison needs models; found none")
    return next(iter(found.values()))
