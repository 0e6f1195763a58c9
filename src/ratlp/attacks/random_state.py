"""Attacks that draw the same whenever they are run, and leave the caller's random state alone."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor


@contextmanager
def seeded(seed: int, near: Tensor) -> Iterator[None]:
    """While open, torch's generators on the CPU and on a tensor's device begin at `seed`; then they are as before.

    Also when the body raises. Generators of other devices are not touched.

    Example:
        >>> before = torch.get_rng_state()
        >>> with seeded(3, torch.zeros(1)):
        ...     first = torch.rand(4)
        >>> with seeded(3, torch.zeros(1)):
        ...     second = torch.rand(4)
        >>> torch.equal(first, second), torch.equal(before, torch.get_rng_state())
        (True, True)
    """
    device = near.device
    if device.type == "cpu":
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            yield
        return
    accelerator = torch.get_device_module(device)
    on_it = accelerator.device(device) if device.index is not None and hasattr(accelerator, "device") else nullcontext()
    with torch.random.fork_rng(devices=[device], device_type=device.type), on_it:
        torch.default_generator.manual_seed(seed)
        accelerator.manual_seed(seed)
        yield
