"""What is to be certified: balls around points, in the input or at a layer, and the rest of the model after them."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ratlp.errors import InputError
from ratlp.latent import Cut, Recording
from ratlp.latent.layers import Layer
from ratlp.perturbations.base import Edges
from ratlp.perturbations.norms import Norm, check_norm
from ratlp.perturbations.values import pair_of, shown

Bounds = tuple[float, float]


@dataclass(frozen=True)
class NormedSpace:
    """Where perturbations live.

    Attributes:
        layer: Whose output is perturbed, or "input".
        norm: Of perturbations.
        bounds: `(low, high)` of the input: perturbed ones stay within. A perturbed latent has none.
        is_input: Whether it is the input that is perturbed.

    Example:
        >>> space = NormedSpace.of(nn.Sequential(nn.Linear(2, 3)), "input", norm="linf", bounds=(0, 1))
        >>> space.is_input, space.span
        (True, 1.0)
    """

    layer: str
    norm: Norm
    bounds: Bounds | None
    is_input: bool

    @classmethod
    def of(cls, model: nn.Module, layer: str, *, norm: Norm, bounds: Bounds | None) -> "NormedSpace":
        """The space of a model's layer, checked.

        Raises:
            InputError: The norm is unknown, or the bounds are no increasing pair of numbers.
            LayerError: The layer is unknown; the message lists the names that come near.
        """
        check_norm(norm)
        checked = None if bounds is None else _checked(bounds)
        return cls(layer, norm, checked, is_input=Layer.find(model, layer).module is None)

    def holding(self, x: Tensor) -> "NormedSpace":
        """The same with bounds that hold the inputs, which rounding may have put beside them by a unit or two.

        Example:
            >>> space = NormedSpace("input", "linf", (0.1, 1.0), is_input=True)
            >>> space.holding(torch.tensor([[0.1, 0.5]])).bounds == (0.1, 1.0)  # 0.1 is larger in float32
            True
        """
        if self.bounds is None:
            return self
        return replace(self, bounds=(min(self.bounds[0], float(x.min())), max(self.bounds[1], float(x.max()))))

    @property
    def clipping(self) -> Bounds | None:
        """What a perturbed point is kept within."""
        return self.bounds if self.is_input else None

    @property
    def span(self) -> float:
        """A radius at which an L-inf ball holds every point that there is."""
        return math.inf if self.clipping is None or self.norm != "linf" else self.clipping[1] - self.clipping[0]


@dataclass(frozen=True, eq=False)
class Balls:
    """Balls around the points of one batch, and the rest of the model.

    Attributes:
        cut: The model, cut where the points lie.
        recording: The batch, encoded up to there.
        y: `[batch]`.
        space: Where perturbations live.
    """

    cut: Cut
    recording: Recording
    y: Tensor
    space: NormedSpace

    @property
    def points(self) -> Tensor:
        """The balls' centres, `[batch, *latent]`."""
        return self.recording.latent

    def rest(self, points: Tensor) -> Tensor:
        """The logits at other points, of any kind of tensor."""
        return self.cut.replay(self.recording.with_latent(points))

    def radius(self, eps: Tensor) -> Tensor:
        """Radii in the points' own type, rounded up."""
        return torch.nextafter(eps.to(self.points), self.points.new_tensor(math.inf))

    def edges(self, eps: Tensor) -> Edges:
        """The box around each L-inf ball, within the bounds; rounded so that it contains the ball.

        Args:
            eps: `[batch]`, in float64.
        """
        points, inf = self.points, self.points.new_tensor(math.inf)
        radius = self.radius(eps).view(-1, *[1] * (points.dim() - 1))
        lower, upper = torch.nextafter(points - radius, -inf), torch.nextafter(points + radius, inf)
        if self.space.clipping is None:
            return lower, upper
        low, high = self.space.clipping
        return lower.clamp(min=low), upper.clamp(max=high)


class Problem:
    """Samples with their labels, and the balls around them in one space. Used while the model is on loan.

    Args:
        model: On loan (`ratlp.latent.on_loan`), computing in `dtype`.
        x: `[n, *input]`.
        y: `[n]`.
        space: Where perturbations live.
        dtype: In which points are encoded.
        batch_size: Samples encoded at once.

    Example:
        >>> model, x = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).eval(), torch.rand(5, 2)
        >>> space = NormedSpace.of(model, "0", norm="linf", bounds=None)
        >>> with torch.no_grad():
        ...     problem = Problem(model, x, torch.zeros(5), space, dtype=x.dtype)
        ...     balls = problem.balls(torch.tensor([0, 3]))
        >>> lower, upper = balls.edges(torch.tensor([0.1, 0.2]))
        >>> bool((upper - lower >= torch.tensor([[0.2], [0.4]])).all())
        True
    """

    def __init__(
        self, model: nn.Module, x: Tensor, y: Tensor, space: NormedSpace, *, dtype: torch.dtype, batch_size: int = 256
    ) -> None:
        self.model = model
        self.x = x
        self.y = y
        self.space = space
        self.dtype = dtype
        self.batch_size = batch_size
        self._cut = Cut(model, [space.layer])

    def balls(self, rows: Tensor) -> Balls:
        """Those of some samples, `[rows]`."""
        recording = self._cut.encode(self.x[rows].to(self.dtype))
        if recording.latent.shape[:1] != rows.shape:
            raise InputError(
                f"the layer's output must be [batch, *latent] for a ball around each sample; found shape "
                f"{tuple(recording.latent.shape)} for {len(rows)} samples: choose another layer"
            )
        return Balls(self._cut, recording, self.y[rows], self.space)


def _checked(bounds: Any) -> Bounds:
    pair = pair_of(bounds)
    if any(isinstance(bound, Tensor) and bound.dim() > 0 for bound in pair):
        raise InputError(
            f"bounds of a certificate must be two numbers, the same for all features; found "
            f"{' and '.join(map(shown, pair))}: scale the features to one range, in which one eps suits them all"
        )
    low, high = map(float, pair)
    if not -math.inf < low < high < math.inf:
        raise InputError(f"bounds must be (low, high), finite, with low < high; found {bounds}")
    return low, high
