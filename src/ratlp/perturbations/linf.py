"""The L-inf ball: each coordinate moves by at most eps."""

import math

from torch import Tensor

from ratlp.errors import InputError
from ratlp.perturbations.base import PerturbationSet


class LInf(PerturbationSet):
    r"""S(z) = { d : ||d||_inf <= eps }, optionally kept within bounds.

    The paper's set (RAT-LP, section 3.2). Its L2 radius grows with the latent's size: eps * sqrt(m).

    Args:
        eps: The radius, in the units of the point; finite and >= 0.
        bounds: `(low, high)`: z + d stays within them. For the input, where a pixel has a range.

    Raises:
        InputError: `eps` is negative or not finite, or `bounds` is not an increasing pair.

    Example:
        >>> import torch
        >>> z = torch.tensor([0.0, 0.95])
        >>> LInf(0.25, bounds=(0, 1)).linear_maximum(torch.ones(2), z)
        tensor([0.2500, 0.0500])
    """

    def __init__(self, eps: float, *, bounds: tuple[float, float] | None = None) -> None:
        if not (math.isfinite(eps) and eps >= 0):
            raise InputError(f"eps must be finite and >= 0; found {eps}")
        if bounds is not None and not bounds[0] < bounds[1]:
            raise InputError(f"bounds must be (low, high) with low < high; found {bounds}")
        self.eps = float(eps)
        self.bounds = bounds

    def linear_maximum(self, gradient: Tensor, point: Tensor) -> Tensor:
        """Eps * sign(gradient), cut off at the bounds.

        sign(0) = 0, as in the paper's step: a coordinate on which the loss does not depend (a dead ReLU)
        stays where it is.
        """
        delta = (self.eps * gradient.sign()).to(point.dtype)
        if self.bounds is None:
            return delta
        return (point + delta).clamp(*self.bounds) - point

    def __repr__(self) -> str:
        bounds = "" if self.bounds is None else f", bounds={self.bounds}"
        return f"LInf({self.eps:g}{bounds})"
