"""Linear bounds of a net's logits and of their margins: the parts of this package, composed."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from ratlp.bounds.interval import Interval, margin_lower_bounds
from ratlp.bounds.linear.ascent import SlopeAscent
from ratlp.bounds.linear.graph import Graph, graph_of
from ratlp.bounds.linear.regions import BoxRegion, Region
from ratlp.bounds.linear.sweep import least
from ratlp.bounds.linear.tighten import better, relax, tighten, tighten_and_relax
from ratlp.errors import InputError

Forward = Callable[[Tensor], Any]
Intermediate = Literal["linear", "interval"]

_RELAX: dict[str, Callable[[Graph], None]] = {"linear": tighten_and_relax, "interval": relax}


def linear_margins(
    forward: Forward,
    region: Interval | Region,
    y: Tensor,
    *,
    intermediate: Intermediate = "linear",
    ascent: SlopeAscent | None = None,
) -> Tensor:
    r"""For each class j a lower bound of z_y - z_j over the region, by backward linear bound propagation; 0 for j = y.

    CROWN (Zhang et al., arXiv 1811.00866) on the calls of the model's own forward: the difference of two logits is
    one linear function; call by call, from the last to the first, it is bounded from below by a linear function of
    the call's inputs, and at the region by its minimum there. Nowhere below `margin_lower_bounds` of intervals.

    Differentiable in the weights, but for `ascent`; under `torch.no_grad()` it needs far less memory.

    Args:
        forward: A model in evaluation mode, or any function of one tensor, such as
            `lambda z: cut.replay(recording.with_latent(z))` for what comes after a layer.
        region: An interval, an `L2Ball` or another `Region`, `[batch, *input]`.
        y: `[batch]`, class indices.
        intermediate: How the inputs of each ReLU are bounded: by backward passes of their own ("linear"), or by
            intervals, which is cheap and looser ("interval": CROWN-IBP, arXiv 1906.06316).
        ascent: Optimises the slopes for each sample and class; None leaves them as CROWN's adaptive rule has them.

    Returns:
        `[batch, classes]`, as `margin_lower_bounds`. A sample keeps its class in the whole region where all entries
        but its own are > 0.

    Raises:
        InputError: The labels are not one class for each sample.
        BoundError: A function has no rule, a layer is in training, or the samples of a batch depend on each other.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
        >>> x, y = torch.rand(5, 2), torch.tensor([0, 1, 2, 0, 1])
        >>> region = Interval(x - 0.1, x + 0.1)
        >>> margins = linear_margins(model, region, y)
        >>> bool((margins >= margin_lower_bounds(model(region), y)).all())
        True
    """
    graph = _relaxed(forward, region, intermediate)
    of_intervals = margin_lower_bounds(graph.logits, y)  # first: it checks the labels
    rows = _margin_rows(graph.logits, y)
    found = least(graph, graph.output, rows) if ascent is None else ascent.least(graph, rows)
    return better(torch.maximum, of_intervals, found.T).scatter(1, y[:, None], 0.0)


def linear_bounds(forward: Forward, region: Interval | Region, *, intermediate: Intermediate = "linear") -> Interval:
    """Bounds of the logits over the region by CROWN; within those of intervals.

    Args:
        forward: As in `linear_margins`.
        region: As in `linear_margins`.
        intermediate: As in `linear_margins`.

    Returns:
        `[batch, classes]`.

    Raises:
        BoundError: As in `linear_margins`.

    Example:
        >>> linear_bounds(lambda x: 3 * x - 2 * x, Interval(torch.tensor([[-1.0]]), torch.tensor([[1.0]])))
        Interval(lower=tensor([[-1.]]), upper=tensor([[1.]]))
    """
    graph = _relaxed(forward, region, intermediate)
    tighten(graph, graph.output, torch.ones_like(graph.logits.lower, dtype=torch.bool))
    return graph.output.interval


def _relaxed(forward: Forward, region: Interval | Region, intermediate: str) -> Graph:
    if intermediate not in _RELAX:
        raise InputError(f"intermediate must be one of {', '.join(map(repr, _RELAX))}; found {intermediate!r}")
    graph = graph_of(forward, BoxRegion(region) if isinstance(region, Interval) else region)
    _RELAX[intermediate](graph)
    return graph


def _margin_rows(logits: Interval, y: Tensor) -> Tensor:
    """e_y - e_j for each class j: `[classes, batch, classes]`."""
    unit = torch.eye(logits.shape[1], dtype=logits.dtype, device=logits.device)
    return unit[y] - unit[:, None]
