"""Inner maximisers: search a perturbation set for the point of highest loss.

The same parts serve as the inner problem of training and as attacks in evaluation, in latent and in input
space.
"""

from ratlp.attacks.base import InnerProblem, Maximiser
from ratlp.attacks.fgsm import FGSM

__all__ = ["FGSM", "InnerProblem", "Maximiser"]
