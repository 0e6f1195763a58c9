"""Rules of dropout: nothing in evaluation; in training one mask for the whole box."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ratlp.bounds.interval.elementwise import with_inplace
from ratlp.bounds.interval.rules import interval_rule
from ratlp.bounds.interval.tensor import Interval
from ratlp.errors import BoundError


def _masked(function: Callable[..., Tensor]) -> Callable[..., Interval]:
    def dropout(input: Interval, p: float = 0.5, training: bool = True) -> Interval:
        """The mask is drawn anew; the box is that of the net with this mask."""
        if not training or p == 0:
            return input
        kept = function(torch.ones_like(input.centre), p, True)
        return input.mapped(lambda x: x * kept)

    return dropout


for _function in (functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d):
    with_inplace(_function, _masked(_function))


@interval_rule(torch.dropout)
def _torch_dropout(input: Interval, p: float, train: bool) -> Any:
    return functional.dropout(input, p, train)


def _refused_in_training(function: Any) -> None:
    name = function.__name__
    default = inspect.signature(function).parameters["training"].default

    def dropout(input: Interval, p: float = 0.5, training: bool = default) -> Interval:
        if training:
            raise BoundError(f"{name} has an interval rule in evaluation only; found training=True: call model.eval()")
        return input

    with_inplace(function, dropout)


_refused_in_training(functional.alpha_dropout)
_refused_in_training(functional.feature_alpha_dropout)
