"""Linear layers that are 1-Lipschitz under L-inf by construction: every row of weights has an L1 norm of at most 1.

They are ordinary `nn.Linear` and `nn.Conv2d` with a parametrised weight, here among the models because a model is
built from them; the bounds know them as the layers that they are.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization


class RowNormalised(nn.Module):
    r"""W_i / max(1, ||W_i||_1) for each row i: a parametrisation.

    A row within the L1 ball stays as it is, one outside is scaled onto its surface. Where every row is on or within
    the ball, the map is 1-Lipschitz under L-inf, at every step of training (Anil et al., arXiv 1811.05381, project
    onto the same ball). The sum is taken in float64 and scaled by two units in the last place more, so that the
    stored weights' own sum does not exceed 1.

    Example:
        >>> RowNormalised()(torch.tensor([[3.0, -1.0], [0.5, 0.25]]))
        tensor([[ 0.7500, -0.2500],
                [ 0.5000,  0.2500]])
    """

    def forward(self, weight: Tensor) -> Tensor:
        """The weight, `[out, ...]`, with rows of L1 norm at most 1."""
        wide = weight if weight.device.type == "mps" else weight.double()
        sums = wide.abs().flatten(1).sum(1).view(-1, *[1] * (weight.dim() - 1))
        slack = 1 + 4 * torch.finfo(weight.dtype).eps
        return weight / torch.where(sums > 1, sums * slack, 1.0).to(weight.dtype)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """A weight that is assigned or initialised is taken as it is."""
        return weight


class LipschitzLinear(nn.Linear):
    """`nn.Linear`, 1-Lipschitz under L-inf: `weight` has rows of L1 norm at most 1.

    Arguments are those of `torch.nn.Linear`; what is trained is `parametrizations.weight.original`.

    Example:
        >>> layer = LipschitzLinear(100, 3)
        >>> bool((layer.weight.abs().sum(1) <= 1).all())
        True
    """

    def __init__(self, in_features: int, out_features: int, **options: Any) -> None:
        super().__init__(in_features, out_features, **options)
        register_parametrization(self, "weight", RowNormalised())


class LipschitzConv2d(nn.Conv2d):
    """`nn.Conv2d`, 1-Lipschitz under L-inf: the kernel of each output channel has an L1 norm of at most 1.

    Zero padding, stride, dilation and groups leave that as it is. Arguments are those of `torch.nn.Conv2d`.

    Example:
        >>> layer = LipschitzConv2d(16, 4, 3, padding=1)
        >>> bool((layer.weight.abs().sum((1, 2, 3)) <= 1).all())
        True
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | tuple[int, int], **options: Any) -> None:
        super().__init__(in_channels, out_channels, kernel_size, **options)
        register_parametrization(self, "weight", RowNormalised())
