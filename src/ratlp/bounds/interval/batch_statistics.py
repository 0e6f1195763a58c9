"""The statistics of the clean batch, for BatchNorm's interval rule in training."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ratlp.bounds.interval.tensor import Interval
from ratlp.errors import BoundError

_BATCH_NORM = (functional.batch_norm, torch.batch_norm)


class Statistics(NamedTuple):
    """Of one call of a BatchNorm.

    Attributes:
        mean: Of each channel.
        variance: Of each channel, not corrected.
    """

    mean: Tensor
    variance: Tensor

    def detached(self) -> "Statistics":
        """Without a graph."""
        return Statistics(self.mean.detach(), self.variance.detach())


class BatchStatistics(TorchFunctionMode):
    """Records the mean and variance with which each BatchNorm normalises while this mode is open.

    They are attached to the graph, and kept in the order of the calls.

    Example:
        >>> norm = torch.nn.BatchNorm1d(1)
        >>> with BatchStatistics() as statistics:
        ...     _ = norm(torch.tensor([[1.0], [3.0]]))
        >>> statistics.found[0].mean, statistics.found[0].variance
        (tensor([2.]), tensor([1.]))
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Statistics] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the function; note the statistics of a batch_norm in training."""
        kwargs = kwargs or {}
        if func in _BATCH_NORM and _normalised_by_batch(*args, **kwargs):
            self.found.append(_statistics(args[0] if args else kwargs["input"]))
        return func(*args, **kwargs)


def _statistics(input: Tensor) -> Statistics:
    # Saved outside activation checkpoints, which would miss them when they run again without this mode.
    with saved_tensors_hooks(_itself, _itself):
        variance, mean = torch.var_mean(input, [0, *range(2, input.dim())], correction=0)
    return Statistics(mean, variance)


def _itself(tensor: Tensor) -> Tensor:
    return tensor


def _normalised_by_batch(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    *rest: Any,
    **options: Any,
) -> bool:
    return training and not _in_backward()


def _in_backward() -> bool:
    """Whether a backward pass is under way, in which activation checkpoints run parts of the forward again."""
    return bool(torch._C._current_graph_task_id() != -1)


class _Supply(TorchFunctionMode):
    """Counts the calls of BatchNorm: one on an ordinary tensor, beside the intervals, has its statistics too."""

    current: "_Supply | None" = None

    def __init__(self, statistics: Sequence[Statistics]) -> None:
        super().__init__()
        self.left = list(statistics)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the function; intervals take their statistics in its rule."""
        kwargs = kwargs or {}
        if func in _BATCH_NORM and _normalised_by_batch(*args, **kwargs):
            input = args[0] if args else kwargs["input"]
            if not isinstance(input, Interval):
                next_statistics(input.shape[1])
        return func(*args, **kwargs)


@contextmanager
def supplied(statistics: Sequence[Statistics]) -> Iterator[None]:
    """While open, intervals are normalised with these statistics, each call with its own, in order."""
    before, _Supply.current = _Supply.current, _Supply(statistics)
    try:
        with _Supply.current if statistics else nullcontext():
            yield
    finally:
        _Supply.current = before


def next_statistics(channels: int) -> Statistics:
    """Those of the clean batch at the next call of a BatchNorm.

    Raises:
        BoundError: None were recorded, or the forward takes another path than the clean one.
    """
    if _in_backward():
        raise BoundError(
            "bounds through an activation checkpoint need a forward that can be run again; found a BatchNorm in "
            "training in one: leave it out of the checkpoint, or freeze it by its eval()"
        )
    left = _Supply.current.left if _Supply.current is not None else []
    if left and len(left[0].mean) == channels:
        return left.pop(0)
    raise BoundError(
        "BatchNorm in training depends on the whole batch; found no statistics of the clean batch for it: "
        "call model.eval() for bounds, or train through ratlp.RATLP, which records them"
    )
