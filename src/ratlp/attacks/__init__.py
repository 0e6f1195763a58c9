"""Inner maximisers: search a perturbation set for the point of highest loss.

The same parts serve as the inner problem of training and as attacks, in latent and in input space.
"""

from ratlp.attacks.apgd import APGD
from ratlp.attacks.base import Deltas, InnerProblem, Maximiser
from ratlp.attacks.best import Best
from ratlp.attacks.classifier import ClassifierProblem
from ratlp.attacks.fgsm import FGSM
from ratlp.attacks.noise import Noise
from ratlp.attacks.pgd import PGD
from ratlp.attacks.random_state import seeded
from ratlp.attacks.square import Square
from ratlp.attacks.targeted import Targeted

__all__ = [
    "APGD",
    "Best",
    "FGSM",
    "PGD",
    "ClassifierProblem",
    "Deltas",
    "InnerProblem",
    "Maximiser",
    "Noise",
    "Square",
    "Targeted",
    "seeded",
]
