"""The tables of an assessment."""

from ratlp.assessment import Assessment
from ratlp.evaluation import Accuracy, AttackResult, Check, Distances, Evaluation
from ratlp.evaluation.checks import DISTRUST
from ratlp.latent.layers import INPUT, at_layer
from ratlp.report.accuracies import interval, norm_name, percent
from ratlp.report.grid import Column, Grid


def place_name(layer: str) -> str:
    """A place in a table.

    Example:
        >>> place_name("input"), place_name("encoder.2")
        ('input', 'layer encoder.2')
    """
    return INPUT if layer == INPUT else f"layer {layer}"


def headline_grid(assessment: Assessment) -> Grid:
    """Clean accuracy, the worst case at each place, and each attack."""
    evaluation = assessment.evaluation
    rows = [_row("Clean", "", evaluation.clean)]
    for layer in assessment.layers:
        place = place_name(layer)
        rows.append(_row("Worst case", place, assessment.worst_case(layer)))
        for attack in evaluation.attacks:
            if attack.layer == layer:
                cost = [f"{count / max(attack.attacked, 1):.0f}" for count in (attack.gradients, attack.forwards)]
                seconds = f"{evaluation.timings.get(attack.name, 0):.1f}"
                rows.append(_row(attack.name.removesuffix(at_layer(layer)), place, attack.robust, (*cost, seconds)))
    right = ("Robust accuracy", "95 % CI", "Gradients per sample", "Passes per sample", "Seconds")
    return Grid((Column("Attack"), Column("At"), *(Column(title, right=True) for title in right)), tuple(rows))


def budgets(assessment: Assessment) -> dict[str, str]:
    """The budget at each place, in words."""
    attacks = {attack.layer: attack for attack in reversed(assessment.evaluation.attacks)}
    return {place_name(layer): budget_text(attacks[layer]) for layer in assessment.layers}


def budget_text(attack: AttackResult) -> str:
    """Norm and radius in words, at a layer in both units.

    Example:
        >>> one = AttackResult(
        ...     "pgd", "latent", "2", "linf", 0.1, None, 0.5, "", Accuracy(1, 2), 2, forwards=1, gradients=1
        ... )
        >>> budget_text(one)
        "L-inf 0.1 (0.2 of the latent's scale)"
    """
    norm = norm_name(attack.norm)
    if attack.relative_to is not None:
        return f"{norm} {attack.eps} of the latent's scale ({attack.eps_absolute:.3g} on average)"
    relative = "" if attack.eps_relative is None else f" ({attack.eps_relative:.3g} of the latent's scale)"
    return f"{norm} {attack.eps}{relative}"


def checks_grid(checks: tuple[Check, ...]) -> Grid:
    """Each self-check with its figure, rule and verdict.

    Example:
        >>> checks_grid((Check("zero gradients", 0.0, "at most 5 %", "pass"),)).rows
        (('zero gradients', 'pass', '0', 'at most 5 %'),)
    """
    columns = (Column("Check", prose=True), Column("Verdict"), Column("Figure", right=True), Column("Rule", prose=True))
    rows = []
    for check in checks:
        figure = "none" if check.value is None else f"{check.value:.3g}"
        verdict = check.verdict.upper() if check.verdict == DISTRUST else check.verdict
        rows.append((check.name, verdict, figure, check.rule))
    return Grid(columns, tuple(rows))


def distrusted(checks: tuple[Check, ...]) -> frozenset[int]:
    """The places of those that say not to trust the numbers.

    Example:
        >>> rule = "at most 5 %"
        >>> distrusted((Check("zero gradients", 0.0, rule, "pass"), Check("noise", 0.5, rule, "do not trust")))
        frozenset({1})
    """
    return frozenset(index for index, check in enumerate(checks) if check.verdict == DISTRUST)


def curve_grid(assessment: Assessment, index: int) -> Grid:
    """Robust accuracy at each eps of a curve, and what is certified there."""
    curve = assessment.curves[index]
    certificate = assessment.certificate(curve.layer)
    certified = {point.eps: point.certified for point in certificate.points} if certificate else {}
    other = {"eps_absolute": "eps, absolute"} if curve.relative_to else {"eps_relative": "eps / latent's scale"}
    other = other if curve.layer != INPUT else {}
    columns = [Column("eps", right=True), *(Column(title, right=True) for title in other.values())]
    columns += [Column("Robust accuracy", right=True), Column("95 % CI", right=True)]
    columns += [Column("Certified", right=True), Column("95 % CI", right=True)] if certified else []
    rows = []
    for point in curve.points:
        values = [getattr(point, name) for name in other]
        cells = [f"{point.eps:g}", *("" if value is None else f"{value:.3g}" for value in values)]
        cells += [percent(point.robust.share), interval(point.robust)]
        if certified:
            proved = certified.get(point.eps)
            cells += ["", ""] if proved is None else [percent(proved.share), interval(proved)]
        rows.append(tuple(cells))
    return Grid(tuple(columns), tuple(rows))


def classes_grid(evaluation: Evaluation) -> Grid:
    """Clean and worst-case accuracy of each class."""
    columns = [Column("Class"), Column("Samples", right=True)]
    columns += [Column(title, right=True) for title in ("Clean", "95 % CI", "Worst case", "95 % CI")]
    rows = [
        (
            str(row.label),
            f"{row.clean.n:,}",
            percent(row.clean.share),
            interval(row.clean),
            percent(row.worst_case.share),
            interval(row.worst_case),
        )
        for row in evaluation.classes
    ]
    return Grid(tuple(columns), tuple(rows))


def distances_grid(distances: tuple[Distances, ...]) -> Grid:
    """Quartiles of the smallest perturbation found.

    Example:
        >>> distances_grid((Distances("pgd", "input", "input", "linf", None, 1.0, 0.01, (0.5, None)),)).rows
        (('input', 'L-inf', '2', '0.5', '0.5', 'beyond 1'),)
    """
    titles = ("Samples", "First quartile", "Median", "Third quartile")
    columns = (Column("At"), Column("Norm"), *(Column(title, right=True) for title in titles))
    rows = []
    for found in distances:
        quartiles = [found.quantile(share) for share in (0.25, 0.5, 0.75)]
        shown = [f"beyond {found.largest:g}" if value is None else f"{value:.3g}" for value in quartiles]
        norm = norm_name(found.norm) + (" of the latent's scale" if found.relative_to else "")
        rows.append((place_name(found.layer), norm, f"{len(found.values):,}", *shown))
    return Grid(columns, tuple(rows))


def _row(name: str, place: str, accuracy: Accuracy, cost: tuple[str, ...] = ("", "", "")) -> tuple[str, ...]:
    return (name, place, percent(accuracy.share), interval(accuracy), *cost)
