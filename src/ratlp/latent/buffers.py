"""Buffers that a forward changes, such as BatchNorm's running statistics: watch them, and hold them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

Buffer = tuple[nn.Module, str]
"""A module and the name of a buffer of its own."""


class Watch:
    """Which buffers of a model change from now on.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        >>> watch = Watch(model)
        >>> _ = model(torch.randn(4, 2))
        >>> [name for _, name in watch.changed()]
        ['running_mean', 'running_var', 'num_batches_tracked']
    """

    def __init__(self, model: nn.Module) -> None:
        self._before = [
            (module, name, buffer, None if buffer is None or buffer.is_inference() else buffer._version)
            for module in model.modules()
            for name, buffer in module.named_buffers(recurse=False)
        ]

    def changed(self) -> list[Buffer]:
        """The buffers of modules of which a buffer has been written to or exchanged for another.

        BatchNorm's kernels write to the running statistics without leaving a mark; its count of batches, or
        its being one of torch's normalisation layers in training mode, gives them away.
        """
        modules = {
            module
            for module, name, buffer, version in self._before
            if module._buffers.get(name) is not buffer
            or (buffer is not None and version is not None and buffer._version != version)
            or (isinstance(module, _NormBase) and module.training and module.track_running_stats)
        }
        return [(module, name) for module, name, _, _ in self._before if module in modules]


@contextmanager
def buffers_held(model: nn.Module, buffers: Iterable[Buffer] | None = None) -> Iterator[None]:
    """While open, copies stand in for the buffers; afterwards the originals are back, bit for bit.

    A forward computes what it would compute, and a backward pass finds what it saved.

    Args:
        model: The model.
        buffers: Those to hold; all of the model's where not given.

    Example:
        >>> import torch
        >>> norm = nn.BatchNorm1d(3)
        >>> with buffers_held(norm):
        ...     _ = norm(torch.randn(8, 3))
        >>> norm.running_mean
        tensor([0., 0., 0.])
    """
    if buffers is None:
        buffers = [(m, name) for m in model.modules() for name, _ in m.named_buffers(recurse=False)]
    originals = [(module, name, module._buffers[name]) for module, name in buffers]
    try:
        for module, name, buffer in originals:
            module._buffers[name] = None if buffer is None else buffer.clone()
        yield
    finally:
        for module, name, buffer in originals:
            module._buffers[name] = buffer
