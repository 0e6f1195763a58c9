"""The clean backward pass through g, done early: it yields grad_z and g's own gradients at once."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ratlp.errors import LayerError, RatlpError
from ratlp.latent import Recording
from ratlp.latent.parameters import without_hooks
from ratlp.objective.gradient_scale import GradientScale


class CleanPass(NamedTuple):
    """The clean batch, run through g.

    Attributes:
        loss: A scalar; differentiable.
        logits: `[batch, classes]`.
        points: The latent of the cut and of each tap, `[batch, *latent]` each, detached.
        gradients: The loss's gradients in the points; None where they were not asked for.
    """

    loss: Tensor
    logits: Tensor
    points: tuple[Tensor, ...]
    gradients: tuple[Tensor, ...] | None = None


CleanRun = Callable[[Recording], tuple[Tensor, Tensor, tuple[Tensor, ...]]]
"""One pass through g on a recording: the loss, the logits, and the latents of the taps."""


class EarlyBackward:
    """Runs g forward and backward on a recording cut off from f, and joins the result to f's graph.

    The graph is cut at the latent and at every other output of f that g uses (skip connections), so that the
    pass stays within g. The gradients found there, and those of the parameters that g uses, are what
    `loss.backward()` hands on: no part of the network is run through twice for the same loss.
    """

    def __init__(self) -> None:
        self._scale = GradientScale()
        self._foreign: list[Tensor] | None = None

    def __call__(self, run: CleanRun, recording: Recording, parameters: Sequence[nn.Parameter] | None) -> CleanPass:
        """The clean pass with the gradients in its points.

        Args:
            run: One pass through g.
            recording: Attached to f's graph.
            parameters: Those to join the loss to; None for a loss that is not joined, to f neither.
        """
        joints: list[Tensor] = []  # where f's graph goes on
        leaves: list[Tensor] = []  # where the early pass ends

        def cut_off(tensor: Tensor) -> Tensor:
            if not tensor.requires_grad:
                return tensor
            joints.append(tensor)
            leaves.append(tensor.detach().requires_grad_())
            return leaves[-1]

        with torch.enable_grad():
            latent = recording.latent.detach().requires_grad_()
            # The clone lets g change its input in place, as ReLU(inplace=True) does.
            loss, logits, taps = run(recording.map(cut_off).with_latent(latent.clone()))
            points = (latent, *taps)
            wanted = [] if parameters is None else self._trained(loss, parameters, [latent, *leaves])
            with without_hooks(wanted):
                found = self._scale.gradients(loss, [*points, *leaves, *wanted])
        loss = loss.detach()
        if parameters is not None:
            joined = found[:1] + found[len(points) :]
            loss = _join(loss, [recording.latent, *joints, *wanted], joined)
        gradients = tuple(gradient for gradient in found[: len(points)] if gradient is not None)
        if len(gradients) < len(points):
            raise LayerError(
                "the loss must depend on each layer's output, with gradients; on one it does not: choose a "
                "layer that the logits are computed from, outside torch.no_grad()"
            )
        return CleanPass(loss, logits.detach(), tuple(p.detach() for p in points), gradients)

    def _trained(self, loss: Tensor, parameters: Sequence[nn.Parameter], cuts: Sequence[Tensor]) -> list[Tensor]:
        """The parameters, and what else is trained in g or in the loss without being the model's own.

        Such leaves (an adapter in a hook, a temperature in a loss function) are looked for once, on the first
        batch: they would lose their clean gradient.
        """
        if self._foreign is None:
            known = {id(tensor) for tensor in (*parameters, *cuts)}
            self._foreign = [leaf for leaf in _leaves(loss) if id(leaf) not in known]
        return [*parameters, *self._foreign]


def _leaves(loss: Tensor) -> list[Tensor]:
    """The leaves of the graph of `loss`, in no particular order."""
    found, seen, waiting = [], {loss.grad_fn}, [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None:
            continue
        if hasattr(node, "variable"):
            found.append(node.variable)
        new = {following for following, _ in node.next_functions} - seen
        seen |= new
        waiting += new
    return found


def attached(run: CleanRun, recording: Recording, *, with_gradients: bool) -> CleanPass:
    """The clean pass in the plain way: its loss and logits keep their graph.

    For losses that differentiate the clean logits, and for sharded parameters (`fully_shard`), which stand in the
    graph only while their module runs. The points' gradients cost a backward pass of g of their own.
    """
    latent = recording.latent.clone()
    if with_gradients and not latent.requires_grad:  # f is frozen
        latent.requires_grad_()
    loss, logits, taps = run(recording.with_latent(latent.clone()))
    points = (latent, *taps)
    gradients = torch.autograd.grad(loss, points, retain_graph=True) if with_gradients else None
    return CleanPass(loss, logits, tuple(point.detach() for point in points), gradients)


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
