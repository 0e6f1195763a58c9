"""Attacks for tests: one of each kind, with few steps."""

from ratlp.attacks import APGD, FGSM, PGD, Noise, Square
from ratlp.evaluation import Attack
from ratlp.losses import dlr, log_odds, margin


def few_attacks(set_, layer="input"):
    parts = {
        "fgsm": (FGSM(), log_odds),
        "pgd": (PGD(steps=4, restarts=2), log_odds),
        "apgd-ce": (APGD(steps=5), log_odds),
        "apgd-dlr": (APGD(steps=5), dlr),
        "square": (Square(queries=8), margin),
        "noise": (Noise(draws=3), margin),
    }
    return [Attack(name, maximiser, set_, loss, layer) for name, (maximiser, loss) in parts.items()]
