"""Where the Square attack changes a sample: square windows of an image, or subsets of a vector's features."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Windows(NamedTuple):
    """One window for each sample.

    Attributes:
        mask: `[batch, 1, height, width]`, what lies in the window.
        bumps: Gives what the L2 attack adds there, `[batch, 1, height, width]`, of length 1.
    """

    mask: Tensor
    bumps: Callable[[], Tensor]


class Plane(ABC):
    """A point seen as `[batch, channels, height, width]`, and random patterns on it, from a generator."""

    shape: tuple[int, int, int, int]

    def __init__(self, point: Tensor, generator: torch.Generator) -> None:
        self._generator = generator
        self._device = point.device

    @abstractmethod
    def stripes(self) -> Tensor:
        """Signs to begin the L-inf attack with, broadcastable to `shape`."""

    @abstractmethod
    def tiles(self) -> Tensor:
        """What the L2 attack begins with, broadcastable to `shape`."""

    @abstractmethod
    def signs(self) -> Tensor:
        """A sign for all that moves together, broadcastable to `shape`."""

    @abstractmethod
    def windows(self, share: float, *, least: int = 1) -> Windows:
        """Random windows that hold a share of the coordinates, at least `least` on each side."""

    def _signs(self, *shape: int) -> Tensor:
        return 2.0 * self._below(2, *shape) - 1

    def _below(self, end: int, *shape: int) -> Tensor:
        return torch.randint(end, shape, generator=self._generator, device=self._device)


class Image(Plane):
    """`[batch, *channels, height, width]`: square windows, each channel with a sign of its own.

    Example:
        >>> image = Image(torch.zeros(2, 3, 8, 8), torch.Generator().manual_seed(0))
        >>> image.windows(0.25).mask.sum((1, 2, 3)).tolist()
        [16, 16]
    """

    def __init__(self, point: Tensor, generator: torch.Generator) -> None:
        super().__init__(point, generator)
        batch, *channels, height, width = point.shape
        self.shape = (batch, math.prod(channels), height, width)

    def stripes(self) -> Tensor:
        """Vertical ones."""
        batch, channels, _, width = self.shape
        return self._signs(batch, channels, 1, width)

    def tiles(self) -> Tensor:
        """Bumps side by side, about five in a row, each with a sign of its own."""
        batch, channels, height, width = self.shape
        side = max(min(height, width) // 5, 1)
        rows, columns = (torch.arange(n, device=self._device) for n in (height, width))
        signs = self._signs(batch, channels, -(-height // side), -(-width // side))
        signs = signs[:, :, rows // side][:, :, :, columns // side]
        return signs * _two_bumps(side).to(self._device)[rows % side][:, columns % side]

    def signs(self) -> Tensor:
        """One for each channel."""
        batch, channels, _, _ = self.shape
        return self._signs(batch, channels, 1, 1)

    def windows(self, share: float, *, least: int = 1) -> Windows:
        """Squares, each where its sample has it."""
        batch, _, height, width = self.shape
        side = min(max(round(math.sqrt(share * height * width)), least), height, width)
        down = torch.arange(height, device=self._device) - self._below(height - side + 1, batch, 1)
        right = torch.arange(width, device=self._device) - self._below(width - side + 1, batch, 1)
        mask = ((down >= 0) & (down < side))[:, :, None] & ((right >= 0) & (right < side))[:, None, :]

        def bumps() -> Tensor:
            row, column = down.clamp(0, side - 1)[:, :, None], right.clamp(0, side - 1)[:, None, :]
            table = _two_bumps(side).to(self._device)
            upright = self._below(2, batch, 1, 1) == 1
            return (torch.where(upright, table[row, column], table[column, row]) * mask)[:, None]

        return Windows(mask[:, None], bumps)


class Vector(Plane):
    """`[batch, features]`: random subsets of the features, each feature with a sign of its own.

    Example:
        >>> vector = Vector(torch.zeros(2, 12), torch.Generator().manual_seed(0))
        >>> vector.windows(0.25).mask.sum((1, 2, 3)).tolist()
        [3, 3]
    """

    def __init__(self, point: Tensor, generator: torch.Generator) -> None:
        super().__init__(point, generator)
        self.shape = (len(point), 1, 1, point[0].numel())

    def stripes(self) -> Tensor:
        """A sign for each feature."""
        return self.signs()

    def tiles(self) -> Tensor:
        """A sign for each feature."""
        return self.signs()

    def signs(self) -> Tensor:
        """One for each feature."""
        return self._signs(*self.shape)

    def windows(self, share: float, *, least: int = 1) -> Windows:
        """Subsets of one size."""
        features = self.shape[-1]
        size = min(max(round(share * features), least), features)
        order = torch.rand(self.shape, generator=self._generator, device=self._device).argsort(-1)
        mask = order < size
        return Windows(mask, lambda: mask / math.sqrt(size))


def plane_of(point: Tensor, generator: torch.Generator) -> Plane:
    """The last two axes of a point as an image; a vector where there is but one.

    Example:
        >>> plane_of(torch.zeros(2, 12), torch.Generator()).shape
        (2, 1, 1, 12)
    """
    return Image(point, generator) if point.dim() > 2 else Vector(point, generator)


def _two_bumps(side: int) -> Tensor:
    """Two bumps of opposite sign, one above the other, `[side, side]`, of length 1 (arXiv 1912.00049, section 3.4)."""
    table = torch.cat([_bump(side // 2, side), -_bump(side - side // 2, side)])
    length: Tensor = torch.linalg.vector_norm(table)
    return table / length


def _bump(height: int, width: int) -> Tensor:
    """At distance m from the centre, in rings of squares: the sum over k > m of 1 / k^2."""
    rows, columns = torch.arange(height) - height // 2, torch.arange(width) - width // 2
    ring = torch.maximum(rows.abs()[:, None], columns.abs()[None, :])
    terms = 1 / torch.arange(1, max(height, width) // 2 + 2).square()
    tails: Tensor = terms.flip(0).cumsum(0).flip(0)
    return tails[ring]
