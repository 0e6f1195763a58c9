r"""The paper's theorem (section 4.2) with the right constants.

The paper takes the loss to be 1-Lipschitz in the logits and normalises L_g to 1, and finds

    max over ||d|| <= eps of loss(g(z + d), y) <= loss(g(z), y) + eps.

Cross-entropy's gradient in the logits is softmax - onehot(y), with L1 norm 2 (1 - p_y) and a length of at most
sqrt(2) (1 - p_y): it is 2-Lipschitz under L-inf and sqrt(2)-Lipschitz under L2, not 1-Lipschitz. And L_g is a
property of the trained head, which nothing holds at 1.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType

from ratlp.errors import InputError
from ratlp.perturbations.norms import Norm, check_norm

CROSS_ENTROPY_LIPSCHITZ: Mapping[Norm, float] = MappingProxyType({"linf": 2.0, "l2": math.sqrt(2)})
"""The Lipschitz constant of cross-entropy in the logits: sup of 2 (1 - p_y) and of its gradient's length."""


def loss_increase_bound(*, lipschitz: float, eps: float, norm: Norm = "linf") -> float:
    """How much cross-entropy can rise at most when the latent moves by eps: 2 * L_g * eps, sqrt(2) * L_g * eps in L2.

    Args:
        lipschitz: L_g, a Lipschitz constant of g under `norm` on both sides (`bounds.lipschitz_parts`; for a linear
            head under L-inf `bounds.linf_norm`).
        eps: Radius of the latent perturbation, in units of the latent.
        norm: Of the perturbation, and of L_g.

    Raises:
        InputError: The norm is unknown, or a number is negative or nan.

    Example:
        >>> loss_increase_bound(lipschitz=1.0, eps=0.25)
        0.5
    """
    check_norm(norm)
    if not (lipschitz >= 0 and eps >= 0):
        raise InputError(f"lipschitz and eps must be >= 0; found {lipschitz} and {eps}")
    return CROSS_ENTROPY_LIPSCHITZ[norm] * lipschitz * eps
