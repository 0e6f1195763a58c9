"""From seconds to ratios, limits and a table."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from shared.quartiles import quartiles

from step_cost.measuring import STANDARD, Measured
from step_cost.subject import DEPTHS, Subject
from step_cost.variants import INPUT_STEPS, ONE_STEP, PGD_STEPS

INNER = {
    "inner-4-replay": ("pgd-4-replay", "ratlp"),
    "inner-4-replay-zero": ("pgd-4-replay-zero", "ratlp"),
    "inner-4-whole": ("pgd-4-whole", "recompute"),
}
"""The inner steps alone: the difference of two variants in the same round."""

Round = dict[str, float]
"""Of one round and one depth, each variant's time over the standard step's."""

LIMITS: dict[str, Callable[[Round], float]] = {
    STANDARD: lambda r: 1.0,
    **dict.fromkeys([*ONE_STEP, "input-fgsm"], lambda r: 1 + r["g"]),
    "pgd-7": lambda r: INPUT_STEPS * r["inner"] + r["g"],
    "pgd-4-replay": lambda r: 1 + r["g"] + PGD_STEPS * r["inner"],
    **dict.fromkeys(["pgd-4-replay-zero", "pgd-4-whole"], lambda r: 1 + r["g"] + (PGD_STEPS - 1) * r["inner"]),
    "inner-4-replay": lambda r: PGD_STEPS * r["inner"],
    "inner-4-replay-zero": lambda r: (PGD_STEPS - 1) * r["inner"],
    "inner-4-whole": lambda r: (PGD_STEPS - 1) * r["inner"],
}
"""What the variant needs where nothing is run twice: a standard step, g forth and back for the adversarial
loss, and g forth and back to the latent for each inner step whose gradient is not known already."""


@dataclass(frozen=True)
class Row:
    """One variant at one depth; times are medians over the rounds.

    Attributes:
        model: Its name.
        depth: In % of the layers.
        variant: See `step_cost.variants`.
        ratio: Time over the standard step of the same round.
        limit: What it would be with nothing run twice, from g's time alone.
        spread: The quartiles of the ratio over the rounds.
        over_limit: Ratio over limit, paired by round; and its quartiles.
        over_limit_spread: Likewise.
        memory_ratio: Peak of the allocations over the standard step's; None for differences of variants.
        layer: The name of the layer.
        ms: Milliseconds.
        rounds: How many.
    """

    model: str
    depth: int
    variant: str
    ratio: float
    limit: float
    spread: tuple[float, float]
    over_limit: float
    over_limit_spread: tuple[float, float]
    memory_ratio: float | None
    layer: str
    ms: float
    rounds: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {key: _rounded(value) for key, value in asdict(self).items()}


def rows(subject: Subject, measured: Measured) -> list[Row]:
    """All variants at all depths."""
    found = []
    for depth in DEPTHS:
        rounds = ratios(measured, depth)
        for variant, limit in LIMITS.items():
            taking_part = [(number, r) for number, r in enumerate(rounds) if variant in r]
            if not taking_part:
                continue
            values = [r[variant] for _, r in taking_part]
            over = [r[variant] / limit(r) for _, r in taking_part]
            seconds = [r[variant] * measured.rounds[n][depth, STANDARD] for n, r in taking_part]
            memory = measured.memory.get((depth, variant))
            found.append(
                Row(
                    model=subject.name,
                    depth=depth,
                    variant=variant,
                    ratio=median(values),
                    limit=median(limit(r) for _, r in taking_part),
                    spread=quartiles(values),
                    over_limit=median(over),
                    over_limit_spread=quartiles(over),
                    memory_ratio=memory and memory / measured.memory[depth, STANDARD],
                    layer=subject.layer(depth),
                    ms=1e3 * median(seconds),
                    rounds=len(values),
                )
            )
    return found


def ratios(measured: Measured, depth: int) -> list[Round]:
    """At one depth: each variant over the standard step, by round, with the inner steps alone."""
    found = []
    for seconds in measured.rounds:
        unit = seconds[depth, STANDARD]
        round_ = {variant: value / unit for (d, variant), value in seconds.items() if d == depth}
        for name, (whole, part) in INNER.items():
            if whole in round_:
                round_[name] = round_[whole] - round_[part]
        found.append(round_)
    return found


def shares(measured: Measured) -> dict[str, dict[str, float]]:
    """By depth: g's share of a standard step, and that of a pass of g back to the latent alone."""
    by_depth = {depth: ratios(measured, depth) for depth in DEPTHS}
    return {
        str(depth): {part: round(median(r[part] for r in rounds), 4) for part in ("g", "inner")}
        for depth, rounds in by_depth.items()
    }


def speedups(measured: Measured) -> list[dict[str, Any]]:
    """By depth: whole-model inner steps over replayed ones, in the whole training step and by themselves."""
    pairs = {
        "step": ("pgd-4-whole", "pgd-4-replay"),
        "step_from_zero": ("pgd-4-whole", "pgd-4-replay-zero"),
        "inner_steps": ("inner-4-whole", "inner-4-replay"),
        "inner_steps_from_zero": ("inner-4-whole", "inner-4-replay-zero"),
    }
    found = []
    for depth in DEPTHS:
        rounds = [r for r in ratios(measured, depth) if "pgd-4-whole" in r]
        found.append({"depth": depth, **{name: _speedup(rounds, *pair) for name, pair in pairs.items()}})
    return found


def _speedup(rounds: list[Round], slow: str, fast: str) -> float | None:
    """None where the fast one is lost in the noise: g is next to nothing at the last layer."""
    if median(r[fast] for r in rounds) < 0.1:
        return None
    return round(median(r[slow] / r[fast] for r in rounds), 3)


def table(found: Iterable[Row], faster: dict[str, list[dict[str, Any]]]) -> str:
    """The rows and the speedups as text that lines up."""
    lines = [
        f"{'model':<6}{'depth':>5}  {'variant':<20}{'ms':>9}{'ratio':>8}  {'quartiles':<15}{'limit':>7}"
        f"{'over limit':>12}{'memory':>8}  layer"
    ]
    previous = None
    for row in found:
        if previous is not None and (row.model, row.depth) != previous:
            lines.append("")
        previous = row.model, row.depth
        memory = "" if row.memory_ratio is None else f"{row.memory_ratio:.2f}"
        over = "" if row.variant in INNER else f"{row.over_limit - 1:+.1%}"
        between = f"{row.spread[0]:.2f} - {row.spread[1]:.2f}"
        lines.append(
            f"{row.model:<6}{row.depth:>4}%  {row.variant:<20}{row.ms:>9.1f}{row.ratio:>8.3f}  {between:<15}"
            f"{row.limit:>7.3f}{over:>12}{memory:>8}  {row.layer}"
        )
    lines += [
        "",
        "PGD-4: time with the whole model at every inner step, over that with the replay",
        f"{'model':<6}{'depth':>5}{'step':>9}{'from 0':>9}{'inner steps':>14}{'from 0':>9}",
    ]
    for model, by_depth in faster.items():
        for r in by_depth:
            values = ["-" if value is None else f"{value:.2f}" for key, value in r.items() if key != "depth"]
            lines.append(f"{model:<6}{r['depth']:>4}%{values[0]:>9}{values[1]:>9}{values[2]:>14}{values[3]:>9}")
    return "\n".join(lines) + "\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value
