"""Closed forms for a linear head g(z) = W z + b under L-inf perturbations of z."""

import itertools

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ratlp.errors import InputError

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


def pairwise_norm(weight: Tensor, y: Tensor) -> Tensor:
    """Max over j of ||w_j - w_y||_1 for each sample's class y: how fast a margin against y can fall.

    CE(g(z), y) = log sum over j of exp((w_j - w_y).z + b_j - b_y) is 1-Lipschitz in these margins under
    L-inf, so it rises by at most eps times this norm, which is at most 2 * linf_norm(weight).

    Args:
        weight: `[classes, latent]`.
        y: `[batch]`.

    Returns:
        `[batch]`.

    Example:
        >>> pairwise_norm(torch.tensor([[1.0, -2.0], [0.5, 0.5]]), torch.tensor([0, 1]))
        tensor([3., 3.])
    """
    pairs: Tensor = (weight.unsqueeze(0) - weight.unsqueeze(1)).abs().sum(-1)
    return pairs.amax(0)[y]


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
