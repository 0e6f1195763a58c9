r"""How far a point may move before the class changes, from margins and Lipschitz constants.

All radii are computed in float64 and rounded down. A radius r promises that the class of *every* point nearer than r
is y; it is 0 where the point itself is not classified as y, and inf where no perturbation can change the class.
"""

import torch
from torch import Tensor

from ratlp.bounds import pair_norms
from ratlp.bounds.rounding import UNIT, in_float64, rounded_up
from ratlp.certificates.theorem import CROSS_ENTROPY_LIPSCHITZ
from ratlp.classification import check_labels, check_labels_in_range, checked_logits
from ratlp.errors import InputError
from ratlp.perturbations.norms import Norm, check_norm


def margins(logits: Tensor, y: Tensor) -> Tensor:
    """logits_y - logits_j for each class j, inf for j = y, in float64.

    Args:
        logits: `[batch, classes]`, two classes or more.
        y: `[batch]`, classes, int64.

    Raises:
        InputError: The shapes or the classes do not fit, or a logit is not finite.

    Example:
        >>> margins(torch.tensor([[1.0, 3.0, 0.5]]), torch.tensor([1]))
        tensor([[2.0000,    inf, 2.5000]], dtype=torch.float64)
    """
    check_labels(y)
    wide = in_float64(checked_logits(logits, n=len(y)))
    check_labels_in_range(y, wide.shape[1])
    own = y.to(wide.device).unsqueeze(1)
    return (wide.gather(1, own) - wide).scatter(1, own, torch.inf)


def lipschitz_radius(logits: Tensor, y: Tensor, *, lipschitz: float, norm: Norm = "linf") -> Tensor:
    """The smallest margin over 2 * L under L-inf, over sqrt(2) * L under L2.

    Each logit moves by at most L * r under L-inf, so a margin falls by at most 2 L r; the vector of logits moves by
    at most L * r in length, and a margin is its product with a vector of length sqrt(2). (The constants are those of
    cross-entropy: the worst case of both is one logit against another.)

    Args:
        logits: `[batch, classes]`.
        y: `[batch]`.
        lipschitz: Of the map from the perturbed point to the logits, under `norm` on both sides.
        norm: Of the perturbation.

    Returns:
        `[batch]`, float64.

    Raises:
        InputError: An argument does not fit.

    Example:
        >>> logits, y = torch.tensor([[1.0, 3.0]]), torch.tensor([1])
        >>> float(lipschitz_radius(logits, y, lipschitz=2.0).float())
        0.5
    """
    check_norm(norm)
    if not lipschitz >= 0:
        raise InputError(f"lipschitz must be >= 0; found {lipschitz}")
    slope = torch.as_tensor(CROSS_ENTROPY_LIPSCHITZ[norm] * lipschitz, dtype=torch.float64)
    return _radius(margins(logits, y), slope)


def linear_head_radius(
    weight: Tensor, bias: Tensor | None, z: Tensor, y: Tensor, *, norm: Norm = "linf", lipschitz: float = 1.0
) -> Tensor:
    r"""The distance to the nearest decision boundary of a linear head, exactly.

        min over j of ((w_y - w_j).z + b_y - b_j) / ||w_y - w_j||,

    the dual norm: L1 for L-inf perturbations of z, L2 for L2. Rounding in the products is bounded and subtracted.

    Args:
        weight: `[classes, latent]`.
        bias: `[classes]`, or None.
        z: `[batch, latent]`.
        y: `[batch]`.
        norm: Of the perturbation.
        lipschitz: Of the map from the perturbed point to z, under `norm` on both sides: the radius at that point is
            this one divided by it (exact where it is 1 because z itself is perturbed).

    Returns:
        `[batch]`, float64.

    Raises:
        InputError: An argument does not fit.

    Example:
        >>> weight, z = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0]])
        >>> float(linear_head_radius(weight, None, z, torch.tensor([0])).float())
        0.5
    """
    if not lipschitz >= 0:
        raise InputError(f"lipschitz must be >= 0; found {lipschitz}")
    weight, z = in_float64(weight), in_float64(z)
    bias = weight.new_zeros(len(weight)) if bias is None else in_float64(bias)
    found = margins(z @ weight.T + bias, y)
    own = y.to(z.device).unsqueeze(1)
    sizes = z.abs() @ weight.abs().T + bias.abs()  # of what is added up in each logit
    rounding = (z.shape[1] + 4) * UNIT * (sizes + sizes.gather(1, own))
    slopes = rounded_up(pair_norms(weight, own.squeeze(1), norm=norm), z.shape[1])
    return _radius(found - rounding, slopes * lipschitz)


def up_to(radius: Tensor) -> Tensor:
    """From a radius that promises the class of every nearer point to one that promises it up to itself.

    Example:
        >>> bool(up_to(torch.tensor([1.0])) < 1), up_to(torch.tensor([0.0, torch.inf])).tolist()
        (True, [0.0, inf])
    """
    before = torch.nextafter(radius, torch.zeros_like(radius))
    return torch.where(radius.isinf(), radius, before).cpu()


def _radius(margin: Tensor, slope: Tensor) -> Tensor:
    # Two more operations round, and the radius must not be larger than the exact one.
    radii = margin / slope.to(margin.device) * (1 - 4 * UNIT)
    return torch.where(margin > 0, radii, 0.0).amin(1)
