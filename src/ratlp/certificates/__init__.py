"""What a bound proves: the paper's theorem.

>>> from ratlp.certificates import loss_increase_bound
>>> loss_increase_bound(lipschitz=3.0, eps=0.1)
0.6000000000000001
"""

from ratlp.certificates.theorem import CROSS_ENTROPY_LIPSCHITZ, loss_increase_bound

__all__ = ["CROSS_ENTROPY_LIPSCHITZ", "loss_increase_bound"]
