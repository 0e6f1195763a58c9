"""Perturbation sets S(z): what an adversary may add to a point, in latent or in input space.

>>> import torch
>>> from ratlp.perturbations import LInf
>>> LInf(eps=0.1).linear_maximum(torch.tensor([2.0, -3.0, 0.0]), torch.zeros(3))
tensor([ 0.1000, -0.1000,  0.0000])
"""

from ratlp.perturbations.base import PerturbationSet
from ratlp.perturbations.linf import LInf

__all__ = ["LInf", "PerturbationSet"]
