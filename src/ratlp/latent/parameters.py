"""Parameters, while gradients are taken that are not yet theirs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def without_hooks(parameters: Sequence[Tensor]) -> Iterator[None]:
    """While open, hooks on the parameters do not run: each is meant for the whole gradient, once, in `backward()`.

    Example:
        >>> import torch
        >>> weight = torch.ones(2, requires_grad=True)
        >>> _ = weight.register_hook(lambda gradient: 10 * gradient)
        >>> with without_hooks([weight]):
        ...     torch.autograd.grad(weight.sum(), weight)
        (tensor([1., 1.]),)
    """
    hooked = [(p, p._backward_hooks) for p in parameters if p._backward_hooks]
    for parameter, _ in hooked:
        parameter._backward_hooks = None
    try:
        yield
    finally:
        for parameter, hooks in hooked:
            parameter._backward_hooks = hooks


def is_sharded(model: nn.Module) -> bool:
    """Whether `fully_shard` has been applied: its parameters stand in the graph only while their module runs.

    Example:
        >>> is_sharded(nn.Linear(2, 2))
        False
    """
    classes = {type(module) for module in model.modules()}
    return any(base.__name__ == "FSDPModule" for cls in classes for base in cls.__mro__)
