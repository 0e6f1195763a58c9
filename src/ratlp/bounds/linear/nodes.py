"""The calls of a forward as a graph, and how each kind of call passes linear functions of its output back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from ratlp.bounds.interval import Interval


class Node:
    """What one call returned; the base of the kinds of calls.

    Linear functions ("rows") of a node's output are held as their coefficients `[rows, *output]`. A node whose rule
    is the same for all samples also takes shared ones, `[rows, 1, *output of a sample]`.

    Attributes:
        interval: Bounds of the output; `tighten` may replace them by better ones.
        parents: The nodes whose outputs it was called with.
        takes_shared: Whether it takes shared rows.
        independent: Whether its coordinates vary freely of each other between their bounds, as far as this analysis
            knows: linear bounds of one affine map of it are those of intervals.
        tight: Whether linear bounds of its coordinates cannot be better than `interval`.
    """

    parents: tuple["Node", ...] = ()
    takes_shared = False
    independent = False
    tight = False

    def __init__(self, interval: Interval) -> None:
        self.interval = interval

    def pull_back(self, rows: Tensor) -> "Pulled":
        """Rows of the parents and constants that together bound the given rows from below."""
        raise NotImplementedError


class Pulled(NamedTuple):
    """Rows of a node, bounded from below by rows of its parents plus constants.

    Attributes:
        rows: For each parent `[rows, *parent's output]`.
        constants: `[rows, batch or a multiple, ...]`, to be summed over each sample; or None.
    """

    rows: Sequence[Tensor]
    constants: Tensor | None = None


class Leaf(Node):
    """The region itself, or the output of a call without a linear rule: a box of its own."""

    independent = tight = True


class Affine(Node):
    """A call that is affine in its parents.

    Args:
        interval: Bounds of the output.
        parents: What it was called with.
        adjoint: Rows of the output to rows of each parent.
        constants: Rows of the output to constants; None where it maps 0 to 0.
        takes_shared: See `Node`.
        one_to_one: Whether each coordinate of the output depends on at most one of the input, and no two on the same.
    """

    def __init__(
        self,
        interval: Interval,
        parents: tuple[Node, ...],
        adjoint: Callable[[Tensor], Sequence[Tensor]],
        *,
        constants: Callable[[Tensor], Tensor] | None = None,
        takes_shared: bool = False,
        one_to_one: bool = False,
    ) -> None:
        super().__init__(interval)
        self.parents = parents
        self.takes_shared = takes_shared
        self._adjoint, self._constants = adjoint, constants
        if len(parents) == 1:
            self.independent = one_to_one and parents[0].independent
            self.tight = parents[0].independent or (one_to_one and parents[0].tight)

    def pull_back(self, rows: Tensor) -> Pulled:
        """The adjoint."""
        return Pulled(self._adjoint(rows), None if self._constants is None else self._constants(rows))


@dataclass(frozen=True)
class Lines:
    """lower_slope x + lower_intercept <= f(x) <= upper_slope x + upper_intercept, of a function of one coordinate.

    Attributes:
        lower_slope: Of the output's shape.
        upper_slope: Of the output's shape.
        upper_intercept: Of the output's shape.
        lower_intercept: Of the output's shape; None for 0.
        free: Where `lower_slope` may be anything between `least_slope` and 1.
        least_slope: See `free`.
    """

    lower_slope: Tensor
    upper_slope: Tensor
    upper_intercept: Tensor
    lower_intercept: Tensor | None = None
    free: Tensor | None = None
    least_slope: float = 0.0


class Relaxed(Node):
    """A call of a function of one coordinate that never falls, between two lines.

    Args:
        interval: Bounds of the output.
        parent: What it was called with.
        loose: Bounds of the input to where tighter ones would help.
        relax: Bounds of the input to lines.
    """

    def __init__(
        self,
        interval: Interval,
        parent: Node,
        loose: Callable[[Interval], Tensor],
        relax: Callable[[Interval], Lines],
    ) -> None:
        super().__init__(interval)
        self.parents = (parent,)
        self.independent, self.tight = parent.independent, parent.tight
        self._loose, self._relax = loose, relax
        self.lines: Lines | None = None

    def loose(self) -> Tensor:
        """Where tighter bounds of the input would give tighter lines; boolean, of the input's shape."""
        return self._loose(self.parents[0].interval)

    def relax(self) -> None:
        """Draw the lines for the input's bounds as they are now."""
        self.lines = self._relax(self.parents[0].interval)

    def pull_back(self, rows: Tensor, slope: Tensor | None = None) -> Pulled:
        """The lower line where the coefficient is positive, the upper one where it is negative.

        Args:
            rows: `[rows, *output]`.
            slope: In place of the lower line's own slope; for lines with `free` slopes.
        """
        assert self.lines is not None, "relax() comes first"
        lines = self.lines
        slope = lines.lower_slope if slope is None else slope
        negative = rows.clamp(max=0)
        pulled = torch.addcmul(rows * slope, negative, lines.upper_slope - slope)
        if lines.lower_intercept is None:
            return Pulled([pulled], products(negative, lines.upper_intercept))
        constants = products(rows, lines.lower_intercept)
        return Pulled([pulled], constants + products(negative, lines.upper_intercept - lines.lower_intercept))


def products(rows: Tensor, values: Tensor) -> Tensor:
    """The sums of rows times values over all axes but the first of both: `[rows, first axis of values]`.

    Example:
        >>> products(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[3.0, 4.0]]))
        tensor([[11.]])
    """
    flat = values.reshape(len(values), -1)
    return torch.einsum("rbn,bn->rb", rows.reshape(len(rows), rows.shape[1], -1), flat)


@dataclass(frozen=True)
class Call:
    """One call of a torch function, with nodes in place of the tensors that vary.

    Attributes:
        function: The torch function.
        args: Its arguments.
        kwargs: Its keyword arguments.
        output: Bounds of what it returned, or of one part of that.
        part: Which part, if it returned several.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: Interval
    part: int | None = None

    def nodes(self) -> tuple[Node, ...]:
        """The nodes among the arguments, as often as they occur."""
        return tuple(leaf for leaf in tree_leaves((self.args, self.kwargs)) if isinstance(leaf, Node))

    def on(self, values: Sequence[Tensor]) -> Tensor:
        """The function at other values of the nodes, given in their order.

        They are copied first: the function may work in place.
        """
        left = iter(values)
        args, kwargs = tree_map(
            lambda leaf: next(left).clone() if isinstance(leaf, Node) else leaf, (self.args, self.kwargs)
        )
        found = self.function(*args, **kwargs)
        return found if self.part is None else found[self.part]  # type: ignore[no-any-return]
