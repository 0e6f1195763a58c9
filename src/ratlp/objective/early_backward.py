"""The clean backward pass through g, done early: it yields grad_z and g's own gradients at once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ratlp.errors import RatlpError
from ratlp.latent import Recording
from ratlp.objective.gradient_scale import GradientScale


class EarlyLoss(NamedTuple):
    """A loss whose gradients are known already.

    Attributes:
        loss: A scalar; its `.backward()` hands out the known gradients and goes on into f.
        output: What the model returned, detached.
        latent_gradient: grad_z of the loss, `[batch, *latent]`.
    """

    loss: Tensor
    output: Tensor
    latent_gradient: Tensor


class EarlyBackward:
    """Runs g forward and backward on a recording cut off from f, and joins the result to f's graph.

    The graph is cut at the latent and at every other output of f that g uses (skip connections), so that the
    pass stays within g. The gradients found there, and those of the parameters that g uses, are what
    `loss.backward()` hands on: no part of the network is run through twice for the same loss.
    """

    def __init__(self) -> None:
        self._scale = GradientScale()

    def __call__(
        self,
        loss_at: Callable[[Recording], tuple[Tensor, Tensor]],
        recording: Recording,
        parameters: Iterable[nn.Parameter],
    ) -> EarlyLoss:
        """The loss of `loss_at`, which maps the cut-off recording to (loss, model output)."""
        joints: list[Tensor] = []  # where f's graph goes on
        leaves: list[Tensor] = []  # where the early pass ends

        def cut_off(tensor: Tensor) -> Tensor:
            if not tensor.requires_grad:
                return tensor
            joints.append(tensor)
            leaves.append(tensor.detach().requires_grad_())
            return leaves[-1]

        joining = torch.is_grad_enabled()
        with torch.enable_grad():
            latent = recording.latent.detach().requires_grad_()
            loss, output = loss_at(recording.map(cut_off).with_latent(latent))
        used = [p for p in parameters if p.requires_grad]
        if not joining:  # only the latent's gradient is wanted
            joints, leaves, used = [], [], []
        with _without_hooks(used):
            gradient, *gradients = self._scale.gradients(loss, [latent, *leaves, *used])
        if gradient is None:  # g ignores its latent
            gradient = torch.zeros_like(latent)
        loss = loss.detach()
        if joining:
            loss = _join(loss, [recording.latent, *joints, *used], [gradient, *gradients])
        return EarlyLoss(loss, output.detach(), gradient)


def _join(loss: Tensor, tensors: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> Tensor:
    pairs = [
        (tensor, gradient)
        for tensor, gradient in zip(tensors, gradients, strict=True)
        if tensor.requires_grad and gradient is not None
    ]
    if not pairs:
        return loss
    return _Known.apply(loss, *(t for t, _ in pairs), *(g for _, g in pairs))  # type: ignore[no-any-return,no-untyped-call]


class _Known(torch.autograd.Function):
    """loss, with given gradients in the tensors: apply(loss, *tensors, *gradients)."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, *tensors_and_gradients: Tensor) -> Tensor:
        count = len(tensors_and_gradients) // 2
        ctx.save_for_backward(*tensors_and_gradients[count:])
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RatlpError(
                "the objective has first derivatives only; found create_graph=True: its clean backward "
                "pass is done already, so leave create_graph out"
            )
        gradients = ctx.saved_tensors
        return (None, *torch._foreach_mul(gradients, scale), *([None] * len(gradients)))


@contextmanager
def _without_hooks(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    # A hook on a parameter is meant for its whole gradient, once; it runs in loss.backward().
    hooked = [(p, p._backward_hooks) for p in parameters if p._backward_hooks]
    for parameter, _ in hooked:
        parameter._backward_hooks = None
    try:
        yield
    finally:
        for parameter, hooks in hooked:
            parameter._backward_hooks = hooks
