"""What a bound proves: certified accuracy and radii, and the paper's theorem.

>>> import torch
>>> from ratlp.certificates import certify, loss_increase_bound
>>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
>>> certify(model, torch.rand(20, 2), torch.randint(3, (20,)), eps=0.1, bounds=(0, 1)).n
20
>>> loss_increase_bound(lipschitz=3.0, eps=0.1)
0.6000000000000001
"""

from ratlp.certificates.certification import AttackRun, Certification, MethodRun
from ratlp.certificates.certify import Effort, certify
from ratlp.certificates.curve import CertifiedPoint
from ratlp.certificates.lipschitz import LipschitzCertificate, certify_lipschitz
from ratlp.certificates.methods import METHODS, Method, Searched
from ratlp.certificates.order import check_order
from ratlp.certificates.problem import Balls, Problem
from ratlp.certificates.radius import linear_head_radius, lipschitz_radius
from ratlp.certificates.runs import Progress
from ratlp.certificates.search import RadiusSearch
from ratlp.certificates.theorem import CROSS_ENTROPY_LIPSCHITZ, loss_increase_bound

__all__ = [
    "AttackRun",
    "Balls",
    "CROSS_ENTROPY_LIPSCHITZ",
    "Certification",
    "CertifiedPoint",
    "Effort",
    "LipschitzCertificate",
    "METHODS",
    "Method",
    "MethodRun",
    "Problem",
    "Progress",
    "RadiusSearch",
    "Searched",
    "certify",
    "certify_lipschitz",
    "check_order",
    "linear_head_radius",
    "lipschitz_radius",
    "loss_increase_bound",
]
