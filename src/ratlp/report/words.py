"""The results in plain sentences: what ran, what does not reproduce, where the theorem fails."""

from collections.abc import Iterable, Sequence
from typing import Final

from ratlp.experiments.results import (
    AblationRow,
    Gain,
    Method,
    Metric,
    Reproduction,
    Search,
    TableRow,
    Theorem,
)
from ratlp.experiments.table import PAPER
from ratlp.report.labels import (
    METHOD_LABELS,
    PARAMETER_LABELS,
    data_label,
    method_in_text,
    metric_in_text,
    number_key,
)
from ratlp.report.table import new_seed_interval

ATTACKED: Final[tuple[Metric, ...]] = ("input_fgsm", "latent_fgsm")


def verdict_sentences(rows: Sequence[TableRow]) -> list[str]:
    """One sentence for each of the paper's numbers that does not reproduce.

    A number does not reproduce if it lies outside the 95 % interval of a new seed. One seed alone
    has no spread and gives no verdict.

    Example:
        >>> row = TableRow("standard", "input_fgsm", 89.1, 2.3, (88.6, 89.6), 45.2, "below", 100)
        >>> verdict_sentences([row])[0].split(": ")[-1]
        "the paper's number is below. Does not reproduce."
    """
    return [_verdict_sentence(row) for row in rows if misses(row)]


def misses(row: TableRow) -> bool:
    """Whether the row has a paper's number and it does not reproduce."""
    return row.verdict in ("above", "below")


def headline(reproduction: Reproduction) -> str:
    """What was run, in one sentence."""
    seeds = reproduction.seeds
    consecutive = len(seeds) > 2 and seeds == tuple(range(seeds[0], seeds[-1] + 1))
    listed = f"{seeds[0]} to {seeds[-1]}" if consecutive else ", ".join(map(str, seeds))
    return (
        f"Standard training and RAT-LP on {data_label(reproduction.data)}; nets of each: {len(seeds)}, seeds: {listed}."
    )


def gain_sentences(gains: Sequence[Gain]) -> list[str]:
    """What RAT-LP gains over standard training in each metric, beside the paper's gain.

    One seed has no spread, and so no sentence.

    Example:
        >>> gain_sentences([Gain("latent_fgsm", 0.99, 0.86, (0.82, 1.16), 42.5, 100)])[0]
        "Under latent FGSM, RAT-LP gains +1.0 points, 95 % CI [0.8, 1.2]. The paper's gain: +42.5."
    """
    return [_gain_sentence(gain) for gain in gains if gain.n > 1]


def reproduction_summary(rows: Sequence[TableRow]) -> str:
    """How many of the paper's numbers reproduce; empty where there is no verdict."""
    published = [row for row in rows if row.verdict is not None]
    if not published:
        return ""
    good = sum(not misses(row) for row in published)
    lie = "lies" if good == 1 else "lie"
    return f"{good} of the paper's {len(published)} numbers {lie} in the 95 % interval of a new seed."


def theorem_sentences(theorem: Theorem) -> list[str]:
    """Where section 4's assumptions fail, with the counts on the trained nets."""
    return [
        "The paper claims that a latent step of at most ε raises the loss by at most ε. Held "
        f"against the exact worst case in the L-inf ball of radius ε = {theorem.eps:g}, the claim "
        f"{_fails(theorem.paper_violations, theorem.n_points)}.",
        "It takes the loss as 1-Lipschitz in the logits. Under L-inf, the slope of the "
        "cross-entropy is 2(1 - p_y), which comes up to 2: the loss is 2-Lipschitz.",
        _head_sentence(theorem),
        "With both constants put right, increase ≤ 2 L_g ε, the bound "
        f"{_fails(theorem.violations, theorem.n_points)}."
        + (" That must not happen: please report it as a bug." if theorem.violations else ""),
        _sign_step_sentence(theorem),
    ]


def ablation_sentences(rows: Sequence[AblationRow]) -> list[str]:
    """How far RAT-LP's latents and head move from the least to the greatest of each parameter."""
    sentences = []
    for parameter, label in PARAMETER_LABELS.items():
        chosen = [row for row in rows if row.parameter == parameter and row.method == "ratlp"]
        if len(chosen) < 2:
            continue
        low = min(chosen, key=lambda row: row.value)
        high = max(chosen, key=lambda row: row.value)
        sentences.append(
            f"{label}, {low.value:g} to {high.value:g}: the mean latent magnitude goes from "
            f"{low.latent_magnitude.mean:.2f} to {high.latent_magnitude.mean:.2f}, the head norm "
            f"L_g from {low.head_norm.mean:.2f} to {high.head_norm.mean:.2f}, accuracy under latent "
            f"FGSM from {low.latent_fgsm.mean:.1f} to {high.latent_fgsm.mean:.1f} %."
        )
    return sentences


def search_sentences(search: Search) -> list[str]:
    """Whether any setting of the search reaches the paper's standard row."""
    input_key, latent_key = (number_key("standard", metric) for metric in ATTACKED)
    published = " and ".join(f"{PAPER['standard', metric]:g}" for metric in ATTACKED)
    space, nearest = search.space, search.nearest_attacked[0]
    reached = "reaches" if search.standard_row_reached else "does not reach"
    return [
        f"{search.n_settings:,} settings of what the paper leaves open were tried, {space['seeds']} seeds "
        f"each, with noise from {min(space['noise']):g} to {max(space['noise']):g} and {min(space['n']):,} "
        f"to {max(space['n']):,} points; the nearest ones again, {space['final_seeds']} seeds each.",
        f"The setting nearest to the paper's attacked accuracies of standard training, {published} %, gives "
        f"{nearest.numbers[input_key]:.1f} and {nearest.numbers[latent_key]:.1f} %: it {reached} them within "
        f"{space['tolerance']:g} points.",
        "The lowest accuracies of standard training at any setting: "
        f"{search.lowest_input.numbers[input_key]:.1f} % under input FGSM, "
        f"{search.lowest_latent.numbers[latent_key]:.1f} % under latent FGSM.",
    ]


def _verdict_sentence(row: TableRow) -> str:
    low, high = new_seed_interval(row)
    name = f"{METHOD_LABELS[row.method]}, {metric_in_text(row.metric)}"
    return (
        f"{name}: the paper reports {row.paper:.1f} %; "
        f"{row.n_seeds} seeds give {row.mean:.1f} ± {row.std:.1f} %, and a new seed would lie in "
        f"[{low:.1f}, {high:.1f}]: the paper's number is {row.verdict}. Does not reproduce."
    )


def _gain_sentence(gain: Gain) -> str:
    where = "On clean inputs" if gain.metric == "clean" else f"Under {metric_in_text(gain.metric)}"
    low, high = gain.ci95
    sentence = f"{where}, RAT-LP gains {gain.mean:+.1f} points, 95 % CI [{low:.1f}, {high:.1f}]."
    return sentence if gain.paper is None else f"{sentence} The paper's gain: {gain.paper:+.1f}."


def _fails(count: int, n_points: int) -> str:
    return f"fails at {count:,} of {n_points:,} points" if count else f"holds at all {n_points:,} points"


def _per_method(values: Iterable[tuple[Method, str]]) -> str:
    return ", ".join(f"{value} ({method_in_text(method)})" for method, value in values)


def _head_sentence(theorem: Theorem) -> str:
    norms = _per_method(
        (check.method, f"{check.lipschitz.mean:.2f} ± {check.lipschitz.std:.2f}") for check in theorem.methods
    )
    rescaled = [
        bound.violations for check in theorem.methods for bound in check.bounds if bound.name == "paper_normalised"
    ]
    sentence = f"It sets L_g = 1 “without loss of generality”. Under L-inf, the trained heads have L_g = {norms}."
    if not rescaled:
        return sentence
    return (
        f"{sentence} Once the latent is rescaled so that L_g = 1, with the budget ε taken there, the "
        f"paper's bound {_fails(sum(rescaled), theorem.n_points)}."
    )


def _sign_step_sentence(theorem: Theorem) -> str:
    shares = _per_method((check.method, f"{100 * check.sign_step_exact:.1f} %") for check in theorem.methods)
    rises = _per_method(
        (check.method, f"{check.sign_step_increase.mean:.4f} of {check.exact_increase.mean:.4f}")
        for check in theorem.methods
    )
    return (
        "One sign step, the paper's approximation of the inner maximum, reaches the exact maximum "
        f"at {shares} of the points; its mean rise of the loss against the exact one is {rises}."
    )
