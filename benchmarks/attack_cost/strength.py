"""What is left of a net under the same attack by different packages."""

from collections.abc import Iterator
from dataclasses import dataclass

from attack_cost.attackers import SAME_ATTACK, Settings, autoattack
from attack_cost.nets import Target
from attack_cost.running import drawn_from, installed, standing
from ratlp.evaluation import evaluate, standard_attacks

WORST_CASE = "worst case"
CLEAN = "clean"


@dataclass(frozen=True)
class Strength:
    """Robust accuracy under one attack by one package.

    Attributes:
        net: "mlp" or "cnn".
        data: The images' name.
        attack: "PGD", "APGD-CE", "APGD-DLR", "worst case", or "clean" for none.
        by: The package.
        robust_accuracy: In %; None where the package is not installed.
        n: Samples.
    """

    net: str
    data: str
    attack: str
    by: str
    robust_accuracy: float | None
    n: int


def strengths(target: Target, settings: Settings, *, worst_case: bool = True) -> Iterator[Strength]:
    """Every attack by every package, and the worst cases."""

    def row(attack: str, by: str, share: float | None) -> Strength:
        percent = None if share is None else 100 * share
        return Strength(target.name, target.data, attack, by, percent, len(target.y))

    yield row(CLEAN, "", standing(target, lambda x, y: x, settings.eps).float().mean().item())
    for attack, makers in SAME_ATTACK.items():
        for by, run in installed(makers, target.net, settings).items():
            share = None if run is None else standing(target, run, settings.eps).float().mean().item()
            yield row(attack, by, share)
    if not worst_case:
        return
    with drawn_from(0, target.net):
        found = evaluate(target.net, target.x, target.y, standard_attacks(settings.ball), cascade=True)
    yield row(WORST_CASE, "ratlp", found.worst_case.share)
    run = installed({"pyautoattack": autoattack}, target.net, settings)["pyautoattack"]
    yield row(WORST_CASE, "pyautoattack", run and standing(target, run, settings.eps).float().mean().item())
