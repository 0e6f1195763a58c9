"""The backward pass: linear functions of a node, bounded from below by linear functions of the region."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ratlp.bounds.linear.graph import Graph
from ratlp.bounds.linear.nodes import Leaf, Node, Relaxed
from ratlp.bounds.linear.regions import BoxRegion
from ratlp.errors import BoundError

Spread = Callable[[Tensor], Tensor]
"""Of shared rows `[rows, 1, ...]`, each sample's own `[rows of a sample, batch, ...]`."""


def least(
    graph: Graph,
    node: Node,
    rows: Tensor,
    *,
    spread: Spread | None = None,
    slopes: Mapping[Relaxed, Tensor] | None = None,
) -> Tensor:
    """Lower bounds of linear functions of a node's output over the region (CROWN, arXiv 1811.00866).

    Args:
        graph: From `graph_of`; the calls before the node have their lines.
        node: Any of its nodes.
        rows: Their coefficients `[rows, *output]`, or shared by all samples, `[rows, 1, *output of a sample]`.
        spread: Makes each sample's own rows of shared ones, as late as can be: what comes before is common work.
            None if the rows are not shared.
        slopes: Lower slopes in place of the lines' own, `[rows, *output]`, for some nodes.

    Returns:
        `[rows, batch]`, after `spread` if there is one.

    Example:
        >>> from ratlp.bounds import Interval
        >>> from ratlp.bounds.linear.graph import graph_of
        >>> graph = graph_of(torch.nn.Flatten(), BoxRegion(Interval(torch.zeros(1, 2), torch.ones(1, 2))))
        >>> least(graph, graph.output, torch.tensor([[[1.0, -2.0]]]))
        tensor([[-2.]])
    """
    sweep = _Sweep(graph, spread, slopes or {})
    sweep.add(node, rows, shared=spread is not None)
    for current in reversed(graph.up_to(node)):
        if current in sweep.waiting:
            sweep.pass_on(current)
    return sweep.total()


class _Sweep:
    """Rows that wait at their nodes, and the sums of the constants: of shared rows, and of each sample's own."""

    def __init__(self, graph: Graph, spread: Spread | None, slopes: Mapping[Relaxed, Tensor]) -> None:
        self.waiting: dict[Node, tuple[Tensor, bool]] = {}
        self._graph, self._spread, self._slopes = graph, spread, slopes
        self._sums: dict[bool, Tensor] = {}

    def add(self, node: Node, rows: Tensor, *, shared: bool) -> None:
        """Leave rows at a node, beside those that wait there."""
        if node in self.waiting:
            others, others_shared = self.waiting[node]
            both = shared and others_shared
            rows = self._own(rows, shared and not both) + self._own(others, others_shared and not both)
            shared = both
        self.waiting[node] = rows, shared

    def pass_on(self, node: Node) -> None:
        """Pass the rows at a node on to its parents; at a leaf, to their minimum."""
        rows, shared = self.waiting.pop(node)
        if shared and not (node.takes_shared and len(node.interval) == self._graph.batch):
            rows, shared = self._own(rows, True).reshape(-1, *node.interval.shape), False
        if isinstance(node, Leaf):
            region = self._graph.region if node is self._graph.input else BoxRegion(node.interval)
            self._sum(region.minimum(rows), shared)
            return
        pulled = node.pull_back(rows, self._slopes.get(node)) if isinstance(node, Relaxed) else node.pull_back(rows)
        if pulled.constants is not None:
            self._sum(pulled.constants, shared)
        for parent, part in zip(node.parents, pulled.rows, strict=True):
            self.add(parent, part, shared=shared)

    def total(self) -> Tensor:
        """All constants and minima, `[rows, batch]`."""
        return sum((self._own(found, shared) for shared, found in self._sums.items()), torch.tensor(0.0))

    def _sum(self, found: Tensor, shared: bool) -> None:
        """Add constants `[rows, batch or a multiple, ...]`, summed over each sample."""
        samples = 1 if shared else self._graph.batch
        if found[0].numel() % samples:
            raise BoundError(
                f"linear bounds need the batch in the first axis, alone or with others; found {samples} samples "
                "elsewhere in a layer that has a bias or is not linear: call it with the batch first"
            )
        found = found.reshape(len(found), samples, -1).sum(-1)
        self._sums[shared] = self._sums[shared] + found if shared in self._sums else found

    def _own(self, rows: Tensor, shared: bool) -> Tensor:
        return self._spread(rows) if shared and self._spread else rows
