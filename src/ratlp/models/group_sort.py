"""Activations that only reorder: 1-Lipschitz under every p-norm, and no gradient is lost (arXiv 1811.05381)."""

import torch
from torch import Tensor, nn

from ratlp.bounds import lipschitz_rule
from ratlp.errors import InputError
from ratlp.perturbations import Norm


class GroupSort(nn.Module):
    """Sort each group of consecutive channels (Anil, Lucas and Grosse, arXiv 1811.05381).

    Args:
        group_size: Channels per group; divides their number.
        dim: The channels' axis.

    Raises:
        InputError: In forward, where the group size does not divide the channels.

    Example:
        >>> GroupSort(2)(torch.tensor([[1.0, 2.0, 4.0, 3.0]]))
        tensor([[1., 2., 3., 4.]])
    """

    def __init__(self, group_size: int, *, dim: int = 1) -> None:
        super().__init__()
        if group_size < 1:
            raise InputError(f"group_size must be >= 1; found {group_size}")
        self.group_size = group_size
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """The groups, each in increasing order."""
        axis = self._axis(x)
        grouped: Tensor = self._groups(x).sort(axis + 1).values
        return grouped.flatten(axis, axis + 1)

    def extra_repr(self) -> str:
        """The options."""
        return f"{self.group_size}, dim={self.dim}"

    def _axis(self, x: Tensor) -> int:
        return self.dim % x.dim()

    def _groups(self, x: Tensor) -> Tensor:
        channels = x.shape[self.dim]
        if channels % self.group_size:
            raise InputError(
                f"group_size must divide the channels; found {self.group_size} and {channels}: choose another width"
            )
        groups: Tensor = x.unflatten(self._axis(x), (-1, self.group_size))
        return groups


class MaxMin(GroupSort):
    """The larger and the smaller of each two consecutive channels: GroupSort of pairs, larger first.

    Args:
        dim: The channels' axis.

    Example:
        >>> MaxMin()(torch.tensor([[1.0, 2.0, 4.0, 3.0]]))
        tensor([[2., 1., 4., 3.]])
    """

    def __init__(self, *, dim: int = 1) -> None:
        super().__init__(2, dim=dim)

    def forward(self, x: Tensor) -> Tensor:
        """The pairs, each in decreasing order."""
        axis = self._axis(x) + 1
        first, second = self._groups(x).unbind(axis)
        pairs = torch.stack([torch.maximum(first, second), torch.minimum(first, second)], axis)
        return pairs.flatten(axis - 1, axis)


@lipschitz_rule(GroupSort, MaxMin)
def group_sort(module: GroupSort, norm: Norm, shape: tuple[int, ...] | None = None) -> float:
    """1 in both norms: sorted sequences are no further apart than the sequences in any order.

    Example:
        >>> from ratlp.bounds import lipschitz_bound
        >>> lipschitz_bound(MaxMin(), norm="l2")
        1.0
    """
    return 1.0
