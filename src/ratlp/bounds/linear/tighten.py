"""Bounds of a node's coordinates by the backward pass, no looser than those of intervals."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from ratlp.bounds.interval import Interval
from ratlp.bounds.linear.graph import Graph
from ratlp.bounds.linear.nodes import Node, Relaxed
from ratlp.bounds.linear.sweep import least

_ELEMENTS = {"cpu": 2**21}  # of a chunk's largest rows: fits a processor's cache
_ELEMENTS_ELSEWHERE = 2**27


def relax(graph: Graph) -> None:
    """Draw the lines of every relaxed call between bounds as they are (intervals: CROWN-IBP, arXiv 1906.06316)."""
    for node in graph.nodes:
        if isinstance(node, Relaxed):
            node.relax()


def tighten_and_relax(graph: Graph) -> None:
    """The same between bounds by the backward pass (CROWN, arXiv 1811.00866), call by call.

    Only of inputs whose lines depend on them: of a ReLU, those whose sign intervals leave open.
    """
    for node in graph.nodes:
        if isinstance(node, Relaxed):
            if not node.tight:
                tighten(graph, node.parents[0], node.loose())
            node.relax()


def tighten(graph: Graph, node: Node, where: Tensor) -> None:
    """Give a node's coordinates tighter bounds: of linear bounds and those that it has, the better ones.

    Args:
        graph: From `graph_of`; the calls before the node have their lines.
        node: The node.
        where: Which coordinates, boolean, of the output's shape.

    Example:
        >>> from ratlp.bounds.linear.regions import BoxRegion
        >>> from ratlp.bounds.linear.graph import graph_of
        >>> graph = graph_of(lambda x: x - x.flip(1).flip(1), BoxRegion(Interval(torch.zeros(1, 2), torch.ones(1, 2))))
        >>> graph.output.interval.lower
        tensor([[-1., -1.]])
        >>> tighten(graph, graph.output, torch.tensor([[True, True]]))
        >>> graph.output.interval.lower
        tensor([[0., 0.]])
    """
    where = where.reshape(graph.batch, -1)
    lower, upper = (bound.reshape(graph.batch, -1) for bound in node.interval.bounds)
    for own in _chunks(graph, node, where):
        columns, which = own.unique(return_inverse=True)
        found = least(graph, node, _unit_rows(node, graph.batch, columns), spread=partial(_both_signs, which))
        below, above = found[: own.shape[1]].T, -found[own.shape[1] :].T
        lower = lower.scatter(1, own, better(torch.maximum, lower.gather(1, own), below))
        upper = upper.scatter(1, own, better(torch.minimum, upper.gather(1, own), above))
    shape = node.interval.shape
    node.interval = Interval(lower.view(shape), upper.view(shape))


def better(choose: Callable[[Tensor, Tensor], Tensor], of_intervals: Tensor, found: Tensor) -> Tensor:
    """The better one of two bounds, that of intervals where linear functions overflowed (nan).

    Example:
        >>> better(torch.maximum, torch.tensor([1.0, 1.0]), torch.tensor([2.0, torch.nan]))
        tensor([2., 1.])
    """
    return torch.where(found.isnan(), of_intervals, choose(of_intervals, found))


def _chunks(graph: Graph, node: Node, where: Tensor) -> Sequence[Tensor]:
    """Each sample's own coordinates, `[batch, k]`, as many at a time as memory allows.

    Filled up to one length, with coordinates that were not asked for, to which tighter bounds do no harm.
    """
    most = int(where.sum(1).max())
    if most == 0:
        return ()
    largest = max(before.interval.numel() for before in graph.up_to(node))
    elements = _ELEMENTS.get(where.device.type, _ELEMENTS_ELSEWHERE)
    own: Tensor = where.to(torch.uint8).topk(most, dim=1).indices
    return own.split(max(1, elements // (2 * largest)), dim=1)  # type: ignore[no-any-return]


def _unit_rows(node: Node, batch: int, columns: Tensor) -> Tensor:
    """Each of a sample's coordinates by itself, `[columns, 1, *output of a sample]`."""
    bound = node.interval.lower
    size = bound.numel() // batch
    rows = torch.zeros(len(columns), size, dtype=bound.dtype, device=bound.device).scatter(1, columns[:, None], 1)
    return rows.view(-1, 1, *bound.shape[1:]) if len(bound) == batch else rows.view(-1, 1, size)


def _both_signs(which: Tensor, rows: Tensor) -> Tensor:
    """Each sample's own of the shared rows, and their negatives for the upper bounds: `[2 * k, batch, ...]`."""
    chosen = rows[:, 0][which.T]
    return torch.cat([chosen, -chosen])
