"""The statistics of the clean batch, for BatchNorm's interval rule in training."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

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

    @classmethod
    @contextmanager
    def of(cls, model: nn.Module, *, when: bool) -> Iterator["BatchStatistics"]:
        """Open it only where it is needed, for it slows every call of torch a little: in training, if `when`."""
        statistics = cls()
        with statistics if when and model.training else nullcontext():
            yield statistics

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the function; note the statistics of a batch_norm in training."""
        kwargs = kwargs or {}
        if func in _BATCH_NORM:
            _note(self.found, *args, **kwargs)
        return func(*args, **kwargs)


def _note(
    found: list[Statistics],
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    *rest: Any,
    **options: Any,
) -> None:
    if training:
        variance, mean = torch.var_mean(input, [0, *range(2, input.dim())], correction=0)
        found.append(Statistics(mean, variance))


class _Supply:
    """What the interval rule of BatchNorm takes its statistics from, at the moment."""

    left: list[Statistics] | None = None


@contextmanager
def supplied(statistics: Sequence[Statistics]) -> Iterator[None]:
    """While open, intervals are normalised with these statistics, each call with its own, in order."""
    before, _Supply.left = _Supply.left, list(statistics)
    try:
        yield
    finally:
        _Supply.left = before


def next_statistics(channels: int) -> Statistics:
    """Those of the clean batch at the next call of a BatchNorm.

    Raises:
        BoundError: None were recorded, or the forward takes another path than the clean one.
    """
    if _Supply.left and len(_Supply.left[0].mean) == channels:
        return _Supply.left.pop(0)
    raise BoundError(
        "BatchNorm in training depends on the whole batch; found no statistics of the clean batch for it: "
        "call model.eval() for bounds, or train through ratlp.RATLP, which records them"
    )
