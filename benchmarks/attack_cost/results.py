"""The rows as a table that says what was aimed at."""

from collections.abc import Iterable, Sequence

from attack_cost.strength import CLEAN, WORST_CASE, Strength
from attack_cost.timing import MODES, Timing

NEAR = 0.5
"""Points of robust accuracy."""

LATENT_RATIO = 0.5
"""Of the replay's time over the whole model's: twice as fast."""

TIME_TARGET = "at most 1.00 beside the fastest"


def table(strengths: Sequence[Strength], times: Sequence[Timing], latents: Sequence[Timing]) -> str:
    """All that was found."""
    return "\n".join([*_accuracies(strengths), "", *_pgd_times(times), "", *_latent_times(latents)]) + "\n"


def _accuracies(rows: Sequence[Strength]) -> Iterable[str]:
    yield f"robust accuracy in %; at equal settings ratlp within {NEAR} points, its worst case at most {NEAR} above"
    yield f"{'net':<5}{'data':<15}{'attack':<12}{'by':<14}{'robust':>7}{'ratlp - it':>12}{'n':>7}"
    for row in rows:
        ahead = gap(row, rows)
        difference = "" if ahead is None else f"{ahead:+.2f}{'' if _as_aimed(row, ahead) else ' !'}"
        yield (
            f"{row.net:<5}{row.data:<15}{row.attack:<12}{row.by:<14}{_number(row.robust_accuracy, 2):>7}"
            f"{difference:>12}{row.n:>7}"
        )


def gap(row: Strength, rows: Iterable[Strength]) -> float | None:
    """Ratlp's robust accuracy less a peer's, in points: above 0 where the peer's attack is the stronger."""
    if row.attack == CLEAN or row.by == "ratlp" or row.robust_accuracy is None:
        return None
    same = (row.net, row.data, row.attack, "ratlp")
    ours = next(r.robust_accuracy for r in rows if (r.net, r.data, r.attack, r.by) == same)
    return None if ours is None else round(ours - row.robust_accuracy, 3) + 0.0  # no -0


def _as_aimed(row: Strength, ahead: float) -> bool:
    return ahead <= NEAR if row.attack == WORST_CASE else abs(ahead) <= NEAR


def _pgd_times(rows: Sequence[Timing]) -> Iterable[str]:
    yield f"time of PGD; ratlp's time over each peer's, {TIME_TARGET}"
    yield from _times(rows, 1.0)
    for what in dict.fromkeys(row.what for row in rows):
        for mode in MODES:
            peers = [r for r in rows if (r.what, r.mode) == (what, mode) and r.by != "ratlp" and r.ratio is not None]
            if peers:
                fastest = max(peers, key=lambda row: row.ratio or 0.0)
                yield f"{what}, {mode}: {fastest.ratio:.2f} of the time of {fastest.by}, the fastest peer"


def _latent_times(rows: Sequence[Timing]) -> Iterable[str]:
    yield f"time of an attack on a latent; ratlp's time over the hook's at most {LATENT_RATIO:.2f}"
    yield from _times(rows, LATENT_RATIO)


def _times(rows: Sequence[Timing], target: float) -> Iterable[str]:
    yield f"{'what':<34}{'mode':<14}{'by':<14}{'ms':>10}{'ratlp / it':>12}  {'quartiles':<14}{'rounds':>6}"
    for row in rows:
        between = "" if row.quartiles is None else "{:.2f} - {:.2f}".format(*row.quartiles)
        missed = " !" if row.ratio is not None and row.by != "ratlp" and row.ratio > target else ""
        ratio = "" if row.by == "ratlp" or row.ratio is None else f"{row.ratio:.2f}{missed}"
        yield (
            f"{row.what:<34}{row.mode:<14}{row.by:<14}{_number(row.milliseconds, 1):>10}{ratio:>12}  {between:<14}"
            f"{row.rounds:>6}"
        )


def _number(value: float | None, digits: int) -> str:
    return "absent" if value is None else f"{value:.{digits}f}"
