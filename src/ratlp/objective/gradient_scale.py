"""A loss scale for gradients that are taken before `GradScaler` sees the loss."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ratlp.latent.precision import in_float16


class GradientScale:
    """Takes gradients without underflow in float16.

    `torch.amp.GradScaler` scales the loss that it is given, which is after the early backward pass. Where
    float16 is at work, the early pass needs a scale of its own. The rule is GradScaler's: halve after an
    overflow, double after 2,000 steps without one; it starts at 2^15, for 2^16 is beyond float16. No value is
    read back from the device. A step that overflows hands on its infinities, so that GradScaler skips it as usual.
    """

    growth_interval = 2000

    def __init__(self) -> None:
        self._scale = torch.tensor(2.0**15)
        self._finite_steps = torch.tensor(0)

    def gradients(self, loss: Tensor, inputs: Sequence[Tensor]) -> list[Tensor | None]:
        """The gradients of `loss` in `inputs`, None for those that it does not depend on."""
        if not in_float16(inputs[0]):
            return list(torch.autograd.grad(loss, inputs, allow_unused=True))
        scale = self._scale = self._scale.to(loss.device)
        scaled = torch.autograd.grad(loss.float() * scale, inputs, allow_unused=True)
        self._update([gradient for gradient in scaled if gradient is not None])
        return [None if gradient is None else gradient.float() / scale for gradient in scaled]

    def _update(self, scaled: Sequence[Tensor]) -> None:
        finite = torch.stack([gradient.isfinite().all() for gradient in scaled]).all()
        steps = torch.where(finite, self._finite_steps.to(finite.device) + 1, 0)
        grown = steps >= self.growth_interval
        self._finite_steps = torch.where(grown, 0, steps)
        self._scale = torch.where(finite, torch.where(grown, 2.0, 1.0), 0.5) * self._scale
