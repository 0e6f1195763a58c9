"""Perturbation sets S(z): what an adversary may add to a point, in latent or in input space.

>>> import torch
>>> from ratlp.perturbations import L2, LInf, rms_per_sample
>>> LInf(0.1).linear_maximum(torch.tensor([[2.0, -3.0, 0.0]]), torch.zeros(1, 3))
tensor([[ 0.1000, -0.1000,  0.0000]])
>>> L2(0.1, per="token", relative_to=rms_per_sample)
L2(0.1, per='token', relative_to=rms_per_sample)
"""

from ratlp.perturbations.base import Perturbation, PerturbationSet
from ratlp.perturbations.box import Box
from ratlp.perturbations.l2 import L2
from ratlp.perturbations.linf import LInf
from ratlp.perturbations.norms import Norm, perturbation_set
from ratlp.perturbations.propagated import Propagated
from ratlp.perturbations.scale import rms_per_channel, rms_per_sample, rms_per_token

__all__ = [
    "Box",
    "L2",
    "LInf",
    "Norm",
    "Perturbation",
    "PerturbationSet",
    "Propagated",
    "perturbation_set",
    "rms_per_channel",
    "rms_per_sample",
    "rms_per_token",
]
