"""What a trained net withstands, and what is proved of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ratlp.attacks import PGD
from ratlp.certificates import Effort, certify, check_order
from ratlp.certificates.methods import LinearMethod
from ratlp.evaluation import Attack, AutoAttack, evaluate
from ratlp.perturbations import LInf
from robust_training.data import Data
from robust_training.recipes import EPS, PIXELS

BATCH = 250
PGD_STEPS, PGD_RESTARTS = 50, 5
METHODS = ("interval", LinearMethod(intermediate="interval"))


@dataclass(frozen=True)
class Accuracies:
    """In %.

    Attributes:
        clean: On the whole test part.
        pgd: Under 50 steps of PGD with 5 restarts, on the first images of the test part.
        autoattack: Under AutoAttack's APGD-CE and APGD-T, likewise.
        interval: Certified by interval bounds, on the whole test part.
        certified: By interval or linear bounds, the best of the two for each image, likewise.
    """

    clean: float
    pgd: float
    autoattack: float
    interval: float
    certified: float


def evaluated(net: nn.Module, data: Data, *, attack_samples: int) -> Accuracies:
    """The accuracies of a net, checked against each other image by image.

    Raises:
        SoundnessError: An attack breaks a certificate: one of the two is wrong.
    """
    x, y = data.test
    proved = certify(
        net, x, y, eps=EPS, bounds=PIXELS, methods=METHODS, effort=Effort(tolerance=math.inf, batch_size=BATCH)
    )
    clean, certified = proved.correct, proved.certified(EPS)
    n = min(attack_samples, len(y))
    tried = attacks()
    found = evaluate(net, x[:n], y[:n], tried, batch_size=BATCH).samples
    pgd, auto = (_left(clean[:n], found.broken[attack.name]) for attack in tried)
    for attacked in (pgd, auto):
        check_order(clean[:n], attacked, certified[:n], eps=EPS)
    by_intervals = 100 * proved.point(EPS).by_method["interval"] / proved.n
    return Accuracies(_share(clean), _share(pgd), _share(auto), interval=by_intervals, certified=_share(certified))


def attacks() -> list[Attack]:
    """PGD, and the two of AutoAttack that break most of what can be broken."""
    ball = LInf(EPS, bounds=PIXELS)
    pgd = PGD(steps=PGD_STEPS, restarts=PGD_RESTARTS)
    return [
        Attack("pgd", pgd, ball),
        Attack("autoattack", AutoAttack(attacks=("apgd-ce", "apgd-t")), ball),
    ]


def _left(clean: Tensor, broken: Sequence[int]) -> Tensor:
    standing = clean.clone()
    standing[list(broken)] = False
    return standing


def _share(standing: Tensor) -> float:
    return 100 * standing.double().mean().item()
