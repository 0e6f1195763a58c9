"""Inner maximisers: search a perturbation set for the point of highest loss.

The same parts serve as the inner problem of training and as attacks, in latent and in input space.
"""

from ratlp.attacks.base import Deltas, InnerProblem, Maximiser
from ratlp.attacks.fgsm import FGSM
from ratlp.attacks.pgd import PGD

__all__ = ["FGSM", "PGD", "Deltas", "InnerProblem", "Maximiser"]
