"""What a bound proves: the paper's theorem, and certified radii.

>>> from ratlp.certificates import loss_increase_bound
>>> loss_increase_bound(lipschitz=3.0, eps=0.1)
0.6000000000000001
"""

from ratlp.certificates.lipschitz import LipschitzCertificate, certify_lipschitz
from ratlp.certificates.radius import linear_head_radius, lipschitz_radius, margins
from ratlp.certificates.theorem import CROSS_ENTROPY_LIPSCHITZ, loss_increase_bound

__all__ = [
    "CROSS_ENTROPY_LIPSCHITZ",
    "LipschitzCertificate",
    "certify_lipschitz",
    "linear_head_radius",
    "lipschitz_radius",
    "loss_increase_bound",
    "margins",
]
