"""Closed forms for a linear head g(z) = W z + b under L-inf or L2 perturbations of z."""

import itertools

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ratlp.errors import InputError
from ratlp.perturbations.norms import Norm, check_norm

_MAX_LATENT = 12  # 4096 vertices


def linf_norm(weight: Tensor) -> Tensor:
    """The norm of W induced by L-inf on both sides: its largest row L1 norm.

    It is the smallest L_g with ||g(z) - g(z')||_inf <= L_g * ||z - z'||_inf.

    Args:
        weight: `[..., classes, latent]`.

    Returns:
        `[...]`.

    Example:
        >>> linf_norm(torch.tensor([[1.0, -2.0], [0.5, 0.5]]))
        tensor(3.)
    """
    return weight.abs().sum(-1).amax(-1)


def pair_norms(weight: Tensor, y: Tensor, *, norm: Norm = "linf") -> Tensor:
    """How fast the margin against each class falls: ||w_y - w_j||_1 under L-inf, ||w_y - w_j||_2 under L2.

    The margin z_y - z_j is linear in the latent, so eps times this, the dual norm, is exactly how far a
    perturbation of norm eps can bring it down.

    Args:
        weight: `[classes, latent]`.
        y: `[batch]`.
        norm: Of the perturbation.

    Returns:
        `[batch, classes]`, 0 at the class y.

    Raises:
        InputError: The norm is unknown.

    Example:
        >>> pair_norms(torch.tensor([[1.0, -2.0], [4.0, 2.0]]), torch.tensor([0]), norm="l2")
        tensor([[0., 5.]])
    """
    check_norm(norm)
    return torch.stack([_dual_norm(weight - row, norm) for row in weight])[y]


def pairwise_norm(weight: Tensor, y: Tensor, *, norm: Norm = "linf") -> Tensor:
    """Max over j of `pair_norms` for each sample's class y: how fast a margin against y can fall.

    CE(g(z), y) = log sum over j of exp((w_j - w_y).z + b_j - b_y) is 1-Lipschitz in these margins under
    L-inf, so it rises by at most eps times this norm, which is at most 2 * linf_norm(weight) under L-inf and
    sqrt(2) times the largest singular value under L2.

    Args:
        weight: `[classes, latent]`.
        y: `[batch]`.
        norm: Of the perturbation.

    Returns:
        `[batch]`.

    Example:
        >>> pairwise_norm(torch.tensor([[1.0, -2.0], [0.5, 0.5]]), torch.tensor([0, 1]))
        tensor([3., 3.])
    """
    return pair_norms(weight, y, norm=norm).amax(1)


def worst_margins(weight: Tensor, bias: Tensor, z: Tensor, y: Tensor, *, eps: float, norm: Norm = "linf") -> Tensor:
    """Min over ||d|| <= eps of the margin of y against each class j, exactly.

    (w_y - w_j).z + b_y - b_j - eps * ||w_y - w_j||, in the dual norm. No perturbation makes the head prefer j to y
    where it is positive, and one does where it is negative.

    Args:
        weight: `[classes, latent]`.
        bias: `[classes]`.
        z: `[batch, latent]`.
        y: `[batch]`.
        eps: Radius of the perturbation.
        norm: Of the perturbation.

    Returns:
        `[batch, classes]`, inf at the class y.

    Example:
        >>> weight, z = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0]])
        >>> worst_margins(weight, torch.zeros(2), z, torch.tensor([0]), eps=0.25)
        tensor([[   inf, 0.5000]])
    """
    logits = z @ weight.T + bias
    worst = logits.gather(1, y[:, None]) - logits - eps * pair_norms(weight, y, norm=norm)
    return worst.scatter(1, y[:, None], torch.inf)


def exact_maximum(weight: Tensor, bias: Tensor, z: Tensor, y: Tensor, *, eps: float) -> Tensor:
    """Max over ||d||_inf <= eps of CE(W (z + d) + b, y), exactly.

    Cross-entropy of a linear map is convex in d, so its maximum over the box lies on one of the 2^m
    vertices: all are tried.

    Args:
        weight: `[classes, m]`, m <= 12.
        bias: `[classes]`.
        z: `[batch, m]`.
        y: `[batch]`.
        eps: Radius of the box.

    Returns:
        `[batch]`, the largest loss of each sample.

    Raises:
        InputError: m exceeds 12.

    Example:
        >>> weight, z = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.zeros(1, 2)
        >>> exact_maximum(weight, torch.zeros(2), z, torch.tensor([0]), eps=0.5)
        tensor([1.3133])
    """
    m = weight.shape[-1]
    if m > _MAX_LATENT:
        raise InputError(
            f"the exact maximum tries 2^m vertices, so m must be <= {_MAX_LATENT}; found m = {m}: "
            "use pairwise_norm for an upper bound"
        )
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=m)), dtype=weight.dtype)
    moves = eps * signs.to(weight.device) @ weight.T  # [vertices, classes]
    chunk = max(1, 2_000_000 // moves.numel())
    return torch.cat(
        [
            _largest_loss(clean, moves, labels)
            for clean, labels in zip((z @ weight.T + bias).split(chunk), y.split(chunk), strict=True)
        ]
    )


def _largest_loss(clean: Tensor, moves: Tensor, y: Tensor) -> Tensor:
    logits = clean.unsqueeze(1) + moves  # [batch, vertices, classes]
    losses = cross_entropy(logits.flatten(0, 1), y.repeat_interleave(len(moves)), reduction="none")
    return losses.view(len(y), -1).amax(1)


def _dual_norm(rows: Tensor, norm: Norm) -> Tensor:
    """Max over ||d|| <= 1 of <row, d>, along the last axis: the L1 norm for L-inf, the length for L2."""
    return rows.abs().sum(-1) if norm == "linf" else torch.linalg.vector_norm(rows, dim=-1)
