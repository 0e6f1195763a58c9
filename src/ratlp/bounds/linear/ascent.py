"""The lower lines' slopes, chosen by gradient ascent on the bound."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ratlp.bounds.linear.graph import Graph
from ratlp.bounds.linear.nodes import Relaxed
from ratlp.bounds.linear.sweep import least
from ratlp.errors import InputError


@dataclass(frozen=True)
class SlopeAscent:
    """Projected gradient ascent with Adam on the slopes of the lower lines (alpha-CROWN, arXiv 2011.13824).

    Every slope between 0 and 1 is sound, so every step's bound is one, and the best is kept, row by row. Each row and
    sample has slopes of its own. The bounds of the inputs of each ReLU stay as they are.

    Args:
        steps: Backward passes with gradient, >= 1.
        step_size: Of Adam, > 0; a slope's range is 1.

    Raises:
        InputError: A value is out of its range.

    Example:
        >>> SlopeAscent(steps=10)
        SlopeAscent(steps=10, step_size=0.1)
    """

    steps: int = 20
    step_size: float = 0.1

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"steps must be >= 1; found {self.steps}")
        if not 0 < self.step_size < float("inf"):
            raise InputError(f"step_size must be finite and > 0; found {self.step_size:g}")

    def least(self, graph: Graph, rows: Tensor) -> Tensor:
        """As `least` of the graph's output, with the best slopes found; no gradient flows through the result.

        Args:
            graph: With lines.
            rows: `[rows, batch, classes]`.

        Raises:
            InputError: Called under `torch.inference_mode()`, where no gradient can be had.
        """
        if torch.is_inference_mode_enabled():
            raise InputError("slopes need gradients; found torch.inference_mode(): use torch.no_grad() instead")
        free = [
            node for node in graph.nodes if isinstance(node, Relaxed) and node.lines and node.lines.free is not None
        ]
        choices = [_Slope(node, len(rows)) for node in free]
        found = torch.full((len(rows), graph.batch), -torch.inf, dtype=rows.dtype, device=rows.device)
        if choices:
            found = self._climb(graph, rows.detach(), choices)
        with torch.no_grad():
            return torch.maximum(found, least(graph, graph.output, rows, slopes={c.node: c.value() for c in choices}))

    def _climb(self, graph: Graph, rows: Tensor, choices: list["_Slope"]) -> Tensor:
        best = None
        parameters = [choice.parameter for choice in choices]
        optimiser = torch.optim.Adam(parameters, lr=self.step_size, maximize=True)
        for _ in range(self.steps):
            with torch.enable_grad():
                found = least(graph, graph.output, rows, slopes={c.node: c.value() for c in choices})
                gradients = torch.autograd.grad(found.sum(), parameters, allow_unused=True)
            best = found.detach() if best is None else torch.maximum(best, found.detach())
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            optimiser.step()
            for choice in choices:
                choice.clamp()
        assert best is not None
        return best


class _Slope:
    """The lower slopes of one call, for each row its own; chosen where the lines leave them free."""

    def __init__(self, node: Relaxed, rows: int) -> None:
        assert node.lines is not None
        self.node, self._lines = node, node.lines
        self._own = node.lines.lower_slope.detach()
        self.parameter = self._own.expand(rows, *self._own.shape).clone().requires_grad_()

    def value(self) -> Tensor:
        assert self._lines.free is not None
        return torch.where(self._lines.free, self.parameter, self._own)

    def clamp(self) -> None:
        self.parameter.data.clamp_(self._lines.least_slope, 1)
