"""Record a model's own forward as a graph of nodes."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from ratlp.bounds.interval import Interval
from ratlp.bounds.interval.messages import whereabouts
from ratlp.bounds.linear.affine import with_item
from ratlp.bounds.linear.nodes import Call, Leaf, Node
from ratlp.bounds.linear.probes import PROBES, are_apart, probes_of, unknown_samples
from ratlp.bounds.linear.regions import Region
from ratlp.bounds.linear.rules import node_of
from ratlp.bounds.names import name_of
from ratlp.errors import BoundError, InputError
from ratlp.latent.batch import logits_of


class Graph:
    """The recorded calls of a forward, in order.

    Attributes:
        region: What the input ranges over.
        batch: How many samples there are.
        unknown: Which of them are unknown in which probe.
        input: The node of the input.
        nodes: All nodes, every one after its parents.
        output: The node of the logits.
        logits: Their interval bounds, as `Interval` gives them.
    """

    output: Node
    logits: Interval

    def __init__(self, region: Region) -> None:
        self.region = region
        self.batch = len(region.box)
        self.unknown = unknown_samples(self.batch).to(region.box.device)
        self.input = Leaf(region.box)
        self.nodes: list[Node] = [self.input]

    def up_to(self, node: Node) -> list[Node]:
        """The node, and those recorded before it."""
        return self.nodes[: self.nodes.index(node) + 1]


class NodeTensor(Tensor):
    """A tensor that stands for a node and records what is done to it; runs through model code as an `Interval` does.

    It carries its interval bounds, its node in the graph, and probes: the forward's values at points of which some
    samples are unknown. Where those spread to another sample's values, samples are not independent.
    """

    graph: Graph
    interval: Interval
    node: Node
    probes: Sequence[Tensor]

    @staticmethod
    def of(graph: Graph, interval: Interval, node: Node, probes: Sequence[Tensor]) -> "NodeTensor":
        """The tensor of a node."""
        made: NodeTensor = Tensor._make_wrapper_subclass(
            NodeTensor, interval.shape, dtype=interval.dtype, device=interval.device
        )
        made.graph, made.interval, made.node, made.probes = graph, interval, node, probes
        return made

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the function on the intervals and on the probes, and record it."""
        kwargs = kwargs or {}
        if func is Tensor.__iter__:
            return iter(args[0].unbind(0))
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, NodeTensor)]
        called_with = _with(lambda leaf: leaf.node, (args, kwargs))  # before the call, which may work in place
        on_intervals = _with(lambda leaf: leaf.interval, (args, kwargs))
        found = func(*on_intervals[0], **on_intervals[1])
        if func is Tensor.__setitem__:
            func, found = with_item, given[0].interval
        parts = [found] if isinstance(found, Interval) else tree_leaves(found)
        if not any(isinstance(part, Interval) for part in parts):
            return found
        nodes = [node_of(call) for call in _calls(func, called_with, found)]  # before the probes: it may refuse
        probes = [_on_probe(number, func, args, kwargs) for number in range(PROBES)]
        if isinstance(found, Interval):
            return _output_of(given, found, nodes[0], probes, func)
        left = iter(nodes)
        made = [
            _output_of(given, part, next(left), parts, func) if isinstance(part, Interval) else part
            for part, *parts in zip(found, *probes, strict=True)
        ]
        return type(found)(made)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        """Refuse what came past `__torch_function__`."""
        raise BoundError(
            f"linear bounds cannot go through code that bypasses torch's functions; found {func} {whereabouts()}"
        )

    def __repr__(self, **options: Any) -> str:  # type: ignore[override]
        return f"NodeTensor({self.interval})"


def _with(part: Callable[[NodeTensor], Any], tree: Any) -> Any:
    return tree_map(lambda leaf: part(leaf) if isinstance(leaf, NodeTensor) else leaf, tree)


def _on_probe(number: int, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    args, kwargs = _with(lambda leaf: leaf.probes[number], (args, kwargs))
    with torch.no_grad():
        return function(*args, **kwargs)


def _calls(function: Any, called_with: tuple[tuple[Any, ...], dict[str, Any]], found: Any) -> Iterator[Call]:
    """The call, once for each interval that it returned.

    A node keeps its bounds as they are now: operations in place may give the interval others.
    """
    args, kwargs = called_with
    if isinstance(found, Interval):
        yield Call(function, args, kwargs, _snapshot(found))
        return
    for index, part in enumerate(found):
        if isinstance(part, Interval):
            yield Call(function, args, kwargs, _snapshot(part), index)


def _output_of(
    given: list[NodeTensor], interval: Interval, node: Node, probes: Sequence[Tensor], function: Any
) -> NodeTensor:
    graph = given[0].graph
    if not are_apart(probes, graph.unknown):
        raise BoundError(
            "linear bounds need the samples of a batch apart, along the first axis; found them mixed or moved by "
            f"{name_of(function)}, {whereabouts()}: keep the batch in the first axis, or give one sample at a time"
        )
    if node not in graph.nodes:
        graph.nodes.append(node)
    for own in given:
        if own.interval is interval:  # the call worked in place, or did nothing
            own.node, own.probes = node, probes
            return own
    return NodeTensor.of(graph, interval, node, probes)


def _snapshot(interval: Interval) -> Interval:
    return interval.mapped(lambda bound: bound)


def graph_of(forward: Callable[[Tensor], Any], region: Region) -> Graph:
    """Run a forward on all points of a region at once, and record its calls.

    Args:
        forward: A model, or any function of one tensor `[batch, *input]` that returns logits `[batch, classes]`.
        region: What the input ranges over.

    Raises:
        InputError: The batch is empty.
        BoundError: A function has no interval rule, samples depend on each other, or a layer is in training.

    Example:
        >>> from ratlp.bounds.linear.regions import BoxRegion
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
        >>> graph = graph_of(model, BoxRegion(Interval(torch.zeros(5, 2), torch.ones(5, 2))))
        >>> [type(node).__name__ for node in graph.nodes]
        ['Leaf', 'Affine', 'Relaxed', 'Affine']
    """
    if region.box.shape[0] == 0:
        raise InputError("linear bounds need a batch of one sample or more; found none: leave empty batches out")
    graph = Graph(region)
    probes = probes_of(region.box.centre, graph.unknown)
    output = logits_of(forward(NodeTensor.of(graph, _snapshot(region.box), graph.input, probes)))
    if not isinstance(output, NodeTensor):
        raise BoundError("forward must compute its result from what it is given; found a result that does not vary")
    graph.output, graph.logits = output.node, output.interval
    return graph
