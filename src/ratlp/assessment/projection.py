"""High-dimensional points on a plane."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Plane:
    """The two directions in which points spread most: their principal components.

    Attributes:
        mean: `[m]`, of the points, in float64.
        axes: `[m, 2]`, orthonormal; a second column of 0 where there is one direction alone.
        shares: Of the variance along each.
    """

    mean: Tensor
    axes: Tensor
    shares: tuple[float, float]

    @classmethod
    def of(cls, points: Tensor) -> "Plane":
        """The plane of points `[n, *point]`; the same for the same points, as signs are fixed.

        Example:
            >>> plane = Plane.of(torch.tensor([[0.0, 0.0, 3.0], [0.0, 0.0, 1.0], [0.0, 0.5, 2.0]]))
            >>> [round(share, 2) for share in plane.axes[:, 0].abs().tolist()]
            [0.0, 0.0, 1.0]
        """
        flat = points.detach().cpu().double().flatten(1)
        mean = flat.mean(0)
        _, spread, directions = torch.linalg.svd(flat - mean, full_matrices=False)
        axes = torch.zeros(flat.shape[1], 2, dtype=torch.float64)
        found = min(2, len(directions))
        axes[:, :found] = directions[:found].T
        largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
        variance = torch.nn.functional.pad(spread**2, (0, 2))
        shares = variance[:2] / variance.sum().clamp_min(torch.finfo(torch.float64).tiny)
        first, second = shares.tolist()
        return cls(mean, axes * torch.where(largest < 0, -1.0, 1.0), (first, second))

    def project(self, points: Tensor) -> Tensor:
        """Points `[n, *point]` on the plane, `[n, 2]`, float64.

        Example:
            >>> Plane.of(torch.eye(2)).project(torch.eye(2)).shape
            torch.Size([2, 2])
        """
        return (points.detach().cpu().double().flatten(1) - self.mean) @ self.axes
