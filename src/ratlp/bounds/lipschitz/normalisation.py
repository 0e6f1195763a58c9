"""Normalisation: a fixed scale per channel in evaluation; LayerNorm by its eps."""

import math
from typing import Any

import torch
from torch import nn

from ratlp.bounds.lipschitz.rules import Shape, lipschitz_rule, refused, weights_of
from ratlp.bounds.rounding import rounded_up
from ratlp.perturbations import Norm


@lipschitz_rule(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
def batch_norm(module: Any, norm: Norm, shape: Shape | None = None) -> float:
    """Max over channels of |weight| / sqrt(running_var + eps), in both norms; exact.

    Raises:
        BoundError: It uses the batch's own statistics (in training mode, or without running ones): a sample's
            output then depends on the other samples.

    Example:
        >>> round(batch_norm(nn.BatchNorm1d(3).eval(), "l2"), 4)
        1.0
    """
    if module.training or module.running_var is None:
        raise refused(module, norm, "it uses the batch's statistics: call model.eval(), with track_running_stats=True")
    deviation = (weights_of(module, "running_var") + module.eps).sqrt()
    weight = weights_of(module).abs() if module.affine else torch.ones_like(deviation)
    return rounded_up(float((weight / deviation).amax()), 4)


@lipschitz_rule(nn.LayerNorm)
def layer_norm(module: nn.LayerNorm, norm: Norm, shape: Shape | None = None) -> float:
    r"""Max |weight| / sqrt(eps) under L2, sqrt(n) times that under L-inf: sound, and large.

    With c = x - mean(x) and s^2 = |c|^2 / n + eps, the Jacobian of c / s is (I - c c^T / (n s^2)) / s on what is
    orthogonal to 1: no longer than 1 / s <= 1 / sqrt(eps), which it is where x is constant (eps = 1e-5: 316). An
    L-inf norm of n columns is at most sqrt(n) times the L2 norm.

    Raises:
        BoundError: eps is 0; then it is not Lipschitz.

    Example:
        >>> layer = nn.LayerNorm(4, eps=0.25)
        >>> round(layer_norm(layer, "l2"), 9), round(layer_norm(layer, "linf"), 9)
        (2.0, 4.0)
    """
    if module.eps <= 0:
        raise refused(module, norm, f"near constant inputs it is as steep as 1 / sqrt(eps); found eps = {module.eps}")
    largest = float(weights_of(module).abs().amax()) if module.elementwise_affine else 1.0
    n = math.prod(module.normalized_shape)
    return rounded_up(largest / math.sqrt(module.eps) * (1 if norm == "l2" else math.sqrt(n)), 4)
