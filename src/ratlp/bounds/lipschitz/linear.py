"""Linear layers: the largest row L1 norm under L-inf, the largest singular value under L2."""

import math

import torch
from torch import Tensor, nn

from ratlp.bounds.linear_head import linf_norm
from ratlp.bounds.lipschitz.rules import Shape, lipschitz_rule, weights_of
from ratlp.bounds.rounding import rounded_up
from ratlp.perturbations import Norm


def spectral_norm(matrices: Tensor) -> float:
    r"""At least the largest singular value of any of the matrices.

    The largest eigenvalue of W W^T (or W^T W, where that is smaller), by a dense solver in float64; no iteration
    that might stop early. Rounding up: forming the Gram matrix errs by at most rows * columns units relative to
    its norm, the solver (LAPACK's, backward stable) by a modest multiple of its size; the value is raised by
    4 * rows * columns units in the last place.

    Args:
        matrices: `[..., rows, columns]`, float64 or complex128.

    Example:
        >>> round(spectral_norm(torch.tensor([[3.0, 0.0], [0.0, -4.0]]).double()), 9)
        4.0
    """
    largest = float(matrices.abs().amax()) if matrices.numel() else 0.0
    if largest == 0:
        return 0.0
    scaled = matrices / largest  # so that no square under- or overflows
    rows, columns = scaled.shape[-2:]
    gram = scaled @ scaled.mH if rows <= columns else scaled.mH @ scaled
    top = float(torch.linalg.eigvalsh(gram).amax().clamp(min=0))
    return rounded_up(largest * math.sqrt(top), 4 * rows * columns)


@lipschitz_rule(nn.Linear)
def linear(module: nn.Linear, norm: Norm, shape: Shape | None = None) -> float:
    """The induced norm of the weight, exact up to rounding.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> _ = nn.init.constant_(layer.weight, 3.0)
        >>> round(linear(layer, "linf"), 9), round(linear(layer, "l2"), 4)
        (6.0, 4.2426)
    """
    weight = weights_of(module)
    if norm == "l2":
        return spectral_norm(weight)
    return rounded_up(float(linf_norm(weight)), weight.shape[-1])
