"""The sections of an assessment's page, as far as the results go."""

from collections.abc import Iterator

from ratlp.assessment import Assessment, Views
from ratlp.evaluation.checks import warning
from ratlp.latent.layers import INPUT
from ratlp.report.accuracies import percent, percent_with_interval
from ratlp.report.document import Section
from ratlp.report.evaluated_grids import (
    budget_text,
    budgets,
    checks_grid,
    classes_grid,
    curve_grid,
    distances_grid,
    distrusted,
    headline_grid,
    place_name,
)


def evaluated_sections(assessment: Assessment, seen: Views) -> Iterator[Section]:
    """All sections in reading order."""
    evaluation = assessment.evaluation
    yield Section(
        title="Robust accuracy",
        prose=(
            "A sample counts as robust if it is classified rightly and the attack finds no point of its set at which "
            "it is not. A stronger attack may find one, so these are upper bounds.",
            f"Budgets: {'; '.join(f'{budget} at {place}' for place, budget in budgets(assessment).items())}.",
        ),
        grid=headline_grid(assessment),
    )
    yield _checks(assessment)
    yield from _curves(assessment)
    yield from _pictures(assessment, seen)
    yield Section(
        title="Class by class",
        prose=("Worst case: samples that withstand every attack at every place.",),
        grid=classes_grid(evaluation),
    )
    yield Section(
        title="Minimal adversarial distances",
        prose=(
            "The length of the smallest perturbation found for each sample by bisection, 0 where it is misclassified "
            "already: an upper bound of its distance to the decision boundary.",
        ),
        grid=distances_grid(assessment.distances),
    )


def warning_lines(assessment: Assessment) -> tuple[str, ...]:
    """The banner: what speaks against the numbers; empty where nothing does."""
    return tuple(line.strip() for line in warning(assessment.evaluation.checks).splitlines())


def summary(assessment: Assessment) -> str:
    """What came out, in a sentence."""
    evaluation = assessment.evaluation
    worst = [
        f"{percent_with_interval(assessment.worst_case(layer))} with "
        f"{'the input' if layer == INPUT else place_name(layer)} attacked"
        for layer in assessment.layers
    ]
    clean = f"{percent_with_interval(evaluation.clean)} without attack"
    return f"Right: {', '.join([clean, *worst])}."


def alt_texts(assessment: Assessment, seen: Views) -> dict[str, str]:
    """What each figure shows, in words."""
    texts = {}
    for index, curve in enumerate(assessment.curves):
        points = "; ".join(f"{point.eps:g}: {percent(point.robust.share)}" for point in curve.points)
        texts[f"curve-{index}"] = f"Line plot of robust accuracy over eps at {place_name(curve.layer)}. {points}."
    for index, moved in enumerate(seen.latents):
        texts[f"latents-{index}"] = (
            f"Scatter plot of {moved.where} of {len(moved.clean)} samples on their first two principal components, "
            f"with lines to where the attack moved the {int(moved.broken.sum())} samples that it broke."
        )
    if seen.examples is not None:
        count = f"{int(seen.examples.broken.sum())} of {len(seen.labels)}"
        texts["regions"] = f"Map of the predicted class over the two inputs, with the samples; {count} are broken."
        texts["pairs"] = "Rows of clean images, their adversarial twins, and the differences, with the predictions."
    return texts


def _checks(assessment: Assessment) -> Section:
    checks = assessment.evaluation.checks
    if not checks:
        return Section(title="Self-checks", prose=("None was run: nothing is known of whether the attacks work.",))
    broken = distrusted(checks)
    found = f"{len(broken)} of {len(checks)} say: do not trust the numbers." if broken else "None speaks against them."
    return Section(
        title="Self-checks",
        prose=(f"What would make these numbers too high, looked for in the model and in the attacks on it. {found}",),
        grid=checks_grid(checks),
        marked=broken,
    )


def _curves(assessment: Assessment) -> Iterator[Section]:
    for index, curve in enumerate(assessment.curves):
        certificate = assessment.certificate(curve.layer)
        refused = [
            f"Not certified by {name}: {reason}." if name else f"Nothing could be certified: {reason}."
            for name, reason in (certificate.refused.items() if certificate else ())
        ]
        yield Section(
            title=f"Accuracy over eps, at {place_name(curve.layer)}",
            prose=(
                f"By {curve.name} alone, in a run of its own. What it breaks at one eps counts as "
                "broken at every larger one.",
            ),
            grid=curve_grid(assessment, index),
            findings=tuple(refused),
            figure=f"curve-{index}",
            caption="Bands and bars: 95 % Wilson confidence intervals.",
        )


def _pictures(assessment: Assessment, seen: Views) -> Iterator[Section]:
    attack = next((one for one in assessment.evaluation.attacks if one.layer == INPUT), None)
    curve = next((one for one in assessment.curves if one.layer == INPUT), None)
    by = "" if attack is None or curve is None else f"{curve.name}, {budget_text(attack)}"
    if seen.regions is not None:
        yield Section(
            title="Decision boundary",
            prose=(f"The first {len(seen.labels)} samples, and where {by} moves them across the boundary.",),
            figure="regions",
            caption="Tints: the predicted class. Dots: samples. Crosses: where the attack ends.",
        )
    elif seen.image is not None and seen.examples is not None:
        yield Section(
            title="Clean and adversarial images",
            prose=(f"By {by}. Above each image the class predicted and its probability; red where it is wrong.",),
            figure="pairs",
            caption="Differences: blue where the attack darkens, red where it brightens.",
        )
    for index, moved in enumerate(seen.latents):
        moves = "the attack on the input" if moved.layer == INPUT else f"the attack at {place_name(moved.layer)}"
        yield Section(
            title=f"Latent space, under {moves}",
            prose=(f"Shown is {moved.where}, on the two directions in which it spreads most without attack.",),
            figure=f"latents-{index}",
            caption="Dots: clean. Crosses: adversarial. Numbers: the middle of each class.",
        )
