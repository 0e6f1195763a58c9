"""The statistics of the clean batch, for BatchNorm's interval rule in training."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ratlp.errors import BoundError

_BATCH_NORM = (functional.batch_norm, torch.batch_norm)


class BatchStatistics(TorchFunctionMode):
    """Records the mean and variance with which each BatchNorm normalises while this mode is open.

    They are attached to the graph. Kept by the running mean that belongs to them, in the order of the calls.

    Example:
        >>> norm = torch.nn.BatchNorm1d(1)
        >>> with BatchStatistics() as statistics:
        ...     _ = norm(torch.tensor([[1.0], [3.0]]))
        >>> statistics.found[0][1:]
        (tensor([2.]), tensor([1.]))
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[Tensor | None, Tensor, Tensor]] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the function; note the statistics of a batch_norm in training."""
        kwargs = kwargs or {}
        if func in _BATCH_NORM:
            _note(self.found, *args, **kwargs)
        return func(*args, **kwargs)


def _note(
    found: list[tuple[Tensor | None, Tensor, Tensor]],
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
        found.append((running_mean, mean, variance))


class _Supply:
    """What the interval rule of BatchNorm takes its statistics from, at the moment."""

    left: list[tuple[Tensor | None, Tensor, Tensor]] | None = None


@contextmanager
def supplied(statistics: BatchStatistics) -> Iterator[None]:
    """While open, intervals are normalised with these statistics, each call with its own, in order."""
    before, _Supply.left = _Supply.left, list(statistics.found)
    try:
        yield
    finally:
        _Supply.left = before


def statistics_of(running_mean: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean and variance of the clean batch at the next call of the BatchNorm with that running mean.

    Raises:
        BoundError: None were recorded.
    """
    for index, (owner, mean, variance) in enumerate(_Supply.left or []):
        if owner is running_mean:
            del (_Supply.left or [])[index]
            return mean, variance
    raise BoundError(
        "BatchNorm in training depends on the whole batch; found no statistics of the clean batch for it: "
        "call model.eval() for bounds, or train through ratlp.RATLP, which records them"
    )
