"""Modules and functions that only move coordinates about: constant 1 in both norms, and nothing is lost."""

from typing import Any

import torch
from torch import fx, nn

from ratlp.bounds.lipschitz.rules import Shape, find_rule, lipschitz_rule, refused
from ratlp.perturbations import Norm

DROPOUTS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)
MODULES = (nn.Identity, nn.Flatten, nn.Unflatten, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle, *DROPOUTS)
FUNCTIONS: frozenset[Any] = frozenset(
    {
        torch.flatten, torch.reshape, torch.permute, torch.transpose, torch.squeeze, torch.unsqueeze,
        torch.clone, "flatten", "view", "reshape", "permute", "transpose", "squeeze", "unsqueeze", "contiguous",
        "clone",
    }
)  # fmt: skip


@lipschitz_rule(*MODULES)
def rearrangement(module: nn.Module, norm: Norm, shape: Shape | None = None) -> float:
    """1, in evaluation.

    Raises:
        BoundError: A dropout layer in training mode, which is random.

    Example:
        >>> rearrangement(nn.Flatten(), "l2")
        1.0
    """
    if isinstance(module, DROPOUTS) and module.training:
        raise refused(module, norm, "in training mode it is random: call model.eval()")
    return 1.0


def is_rearrangement(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Whether a node of a traced forward only moves the coordinates of its first argument about.

    Example:
        >>> graph = fx.symbolic_trace(nn.Sequential(nn.Flatten(), nn.ReLU())).graph
        >>> [is_rearrangement(node, {"0": nn.Flatten(), "1": nn.ReLU()}) for node in graph.nodes][1:3]
        [True, False]
    """
    if node.op == "call_module":
        return find_rule(modules[str(node.target)]) is rearrangement
    as_bits = any(isinstance(argument, torch.dtype) for argument in (*node.args, *node.kwargs.values()))
    return node.op in ("call_function", "call_method") and node.target in FUNCTIONS and not as_bits
