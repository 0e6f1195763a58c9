"""How many samples at once: found from what a sample takes, and halved where memory runs out."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ratlp.errors import InputError
from ratlp.evaluation.inputs import near, rows_of
from ratlp.latent.batch import call_model, first_input, logits_of
from ratlp.latent.trees import swapped, tensors

_LARGEST = {"cpu": 256}  # larger ones run no faster there, and finished batches are what a restart keeps
_LARGEST_ELSEWHERE = 1024
_UNKNOWN = 64  # where nothing can be measured: token ids have no gradient
_CPU_BUDGET = 256 * 2**20  # more does not run faster
_SHARE_OF_FREE = 0.5
_COPIES = 4.0  # what an attack keeps beside one graph: iterates, gradients, the best so far

Result = TypeVar("Result")


def find_batch_size(model: nn.Module, x: Any) -> int:
    """How many samples to attack at once: a power of two, up to 256 on the CPU and 1024 elsewhere.

    One step of an attack is to fit in memory, with room to spare: what autograd saves for one sample is measured. On
    the CPU the sum may take 256 MiB, on an accelerator half of what is free. The same model and inputs give the same
    size on the same machine.

    Example:
        >>> find_batch_size(nn.Linear(2, 3), torch.zeros(5, 2))
        256
    """
    found = first_input(x)
    if found is None:
        return _UNKNOWN
    device = near(model, x).device
    taken = _COPIES * _bytes_saved(model, rows_of(x, slice(0, 1), device))
    if taken == 0:
        return _UNKNOWN
    size, largest = 1, _LARGEST.get(device.type, _LARGEST_ELSEWHERE)
    while size < largest and 2 * size * taken <= _budget(device):
        size *= 2
    return size


def halving(work: Callable[[int], Result], size: int) -> tuple[Result, int]:
    """The result of `work(size)`, at half the size whenever it runs out of memory; and the size that fitted.

    Raises:
        InputError: Not even one sample fits.

    Example:
        >>> def work(size):
        ...     if size > 3:
        ...         raise torch.OutOfMemoryError("CUDA out of memory")
        ...     return "done"
        >>> halving(work, 8)
        ('done', 2)
    """
    while True:
        try:
            return work(size), size
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            if size == 1:
                raise InputError(f"a batch must fit in memory; not even one sample does: {error}") from error
        size //= 2


def in_batches(work: Callable[[int, int], Result], n: int, size: int) -> tuple[list[Result], int]:
    """The results of `work(start, size)`, batch after batch of n samples, and the size that fitted: see `halving`.

    Raises:
        InputError: Not even one sample fits.

    Example:
        >>> in_batches(lambda start, size: range(5)[start : start + size], 5, 2)
        ([range(0, 2), range(2, 4), range(4, 5)], 2)
    """
    results, start = [], 0
    while start < n:
        result, size = halving(partial(work, start), size)
        results.append(result)
        start += size
    return results, size


def _is_out_of_memory(error: RuntimeError) -> bool:
    texts = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error).lower() for text in texts)


def _budget(device: torch.device) -> float:
    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0]
        return _SHARE_OF_FREE * free
    return _CPU_BUDGET


def _bytes_saved(model: nn.Module, sample: Any) -> int:
    """What autograd saves in one forward pass, beside the parameters."""
    kept = {tensor.data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in kept:
            saved[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    floats = [tensor for tensor in tensors(sample) if tensor.is_floating_point()]
    for tensor in floats:
        sample = swapped(sample, tensor, tensor.detach().clone().requires_grad_())
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits_of(call_model(model, sample))
    return sum(saved.values()) + sum(tensor.numel() * tensor.element_size() for tensor in floats)
