"""RAT-LP: the paper's Equation (section 3.3) and Algorithm 1, at their least cost."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ratlp.attacks import FGSM, InnerProblem, Maximiser
from ratlp.errors import InputError
from ratlp.latent import Cut, Recording
from ratlp.objective.early_backward import EarlyBackward
from ratlp.objective.running_statistics import running_statistics_held
from ratlp.perturbations import LInf, PerturbationSet


class RATLPOutput(NamedTuple):
    """What one call of the objective returns.

    Attributes:
        loss: clean_loss + weight * adversarial_loss, a scalar; call `.backward()` on it.
        clean_loss: Mean cross-entropy of the clean batch, a scalar. Differentiable, once.
        adversarial_loss: Mean cross-entropy at z + delta, a scalar. Differentiable.
        logits: `[batch, classes]` of the clean batch, detached: their backward pass is done already.
        latent: z = f(x), `[batch, *latent]`, attached to f's graph.
        delta: The perturbation, `[batch, *latent]`, detached.
    """

    loss: Tensor
    clean_loss: Tensor
    adversarial_loss: Tensor
    logits: Tensor
    latent: Tensor
    delta: Tensor


class RATLP(nn.Module):
    r"""Robust adversarial training via latent perturbations, as a loss around a model.

    With f the model up to `layer`, g the rest, z = f(x) and CE the mean cross-entropy,

        loss = CE(g(z), y) + weight * max over d in S(z) of CE(g(z + d), y).

    The paper's method (RAT-LP, section 3.3) is the default: S(z) the L-inf ball of radius `eps`, its maximum
    approximated by one sign step, d = eps * sign(grad_z CE(g(z), y)). The perturbation is a constant for the
    outer gradient.

    A step costs one forward and backward pass of f and two of g: the backward pass that yields grad_z yields
    g's clean gradients too, and they are kept for `loss.backward()`. Compared with standard training that is
    1 + (g's share of a standard step).

    The clean pass alone moves BatchNorm's running statistics; the adversarial pass normalises with its own
    batch's statistics. Dropout draws anew in each pass of g. Wrap this module, not the model, in
    `DistributedDataParallel`. Under float16 autocast the early gradients carry a dynamic loss scale of their
    own, so that they do not underflow.

    Args:
        model: Maps a batch `[batch, *input]` to logits `[batch, classes]`.
        layer: Name of the submodule whose output is the latent z, one floating tensor.
        eps: Radius of the L-inf ball, in units of the latent; finite and >= 0. Short for
            `perturbation=LInf(eps)`; give one of the two.
        weight: lambda, the weight of the adversarial loss; finite and >= 0.
        perturbation: The set S.
        maximiser: How the inner maximum is sought; one step, `FGSM()`, unless given.

    Raises:
        InputError: `eps` or `weight` is out of range, or not exactly one of `eps` and `perturbation` is
            given.
        LayerError: `layer` is no submodule of `model`.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> objective = RATLP(model, layer="1", eps=0.1)
        >>> optimiser = torch.optim.Adam(objective.parameters(), lr=0.01)
        >>> x, y = torch.randn(64, 2), torch.randint(2, (64,))
        >>> out = objective(x, y)
        >>> out.loss.backward()
        >>> optimiser.step()
        >>> bool(out.adversarial_loss >= out.clean_loss)
        True
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        layer: str,
        eps: float | None = None,
        weight: float = 1.0,
        perturbation: PerturbationSet | None = None,
        maximiser: Maximiser | None = None,
    ) -> None:
        super().__init__()
        if (eps is None) == (perturbation is None):
            raise InputError(
                f"give exactly one of eps and perturbation; found eps={eps} and perturbation={perturbation}"
            )
        if not (math.isfinite(weight) and weight >= 0):
            raise InputError(f"weight must be finite and >= 0; found {weight}")
        self.model = model
        self.weight = float(weight)
        self.perturbation = LInf(eps) if perturbation is None else perturbation  # type: ignore[arg-type]
        self.maximiser = FGSM() if maximiser is None else maximiser
        self._cut = Cut(model, layer)
        self._early_backward = EarlyBackward()

    def forward(self, x: Tensor, y: Tensor) -> RATLPOutput:
        """The loss of one batch and its parts.

        Args:
            x: `[batch, *input]`.
            y: `[batch]`, class indices.

        Raises:
            LayerError: The layer is not called, or does not return one floating tensor.
            InputError: Called under `torch.inference_mode()`, where no gradient can be had.
        """
        if torch.is_inference_mode_enabled():
            raise InputError(
                "the objective needs gradients; found torch.inference_mode(): use torch.no_grad() instead"
            )
        recording = self._cut.encode(x)
        latent = recording.latent

        def clean_loss_at(cut_off: Recording) -> tuple[Tensor, Tensor]:
            # The clone lets g change its input in place, as ReLU(inplace=True) does.
            logits = self._cut.replay(cut_off, cut_off.latent.clone())
            return cross_entropy(logits, y), logits

        def adversarial_loss_at(point: Tensor) -> Tensor:
            with running_statistics_held(self.model):
                return cross_entropy(self._cut.replay(recording, point), y)

        early = self._early_backward(clean_loss_at, recording, self.model.parameters())
        problem = InnerProblem(
            adversarial_loss_at, latent.detach(), self.perturbation, gradient=early.latent_gradient
        )
        delta = self.maximiser(problem)
        adversarial_loss = adversarial_loss_at(latent + delta)
        return RATLPOutput(
            loss=early.loss + self.weight * adversarial_loss,
            clean_loss=early.loss,
            adversarial_loss=adversarial_loss,
            logits=early.output,
            latent=latent,
            delta=delta,
        )

    def extra_repr(self) -> str:
        """The three axes and the weight, for `print(objective)`."""
        return (
            f"layer={self._cut.layer!r}, perturbation={self.perturbation}, "
            f"maximiser={self.maximiser}, weight={self.weight:g}"
        )
