"""RAT-LP: the paper's Equation (section 3.3) and Algorithm 1, for any layer, set, maximiser and loss."""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ratlp.attacks import FGSM, Deltas, InnerProblem, Maximiser
from ratlp.bounds.interval import BatchStatistics
from ratlp.bounds.loss_bound import LossBound
from ratlp.errors import InputError
from ratlp.latent import Cut, Recording
from ratlp.latent.batch import first_input
from ratlp.latent.buffers import Watch
from ratlp.latent.parameters import is_sharded
from ratlp.latent.replay import Tap
from ratlp.latent.trees import tensors
from ratlp.losses import CrossEntropy, CustomLoss, Loss
from ratlp.losses.custom import LossFunction
from ratlp.objective.adversarial_pass import AdversarialPass, RandomState
from ratlp.objective.clean_batch import CleanBatch
from ratlp.objective.conditions import Conditions
from ratlp.objective.early_backward import CleanPass, EarlyBackward, attached
from ratlp.perturbations import LInf, Perturbation, PerturbationSet

Latents = Tensor | tuple[Tensor, ...]
"""One tensor where one layer was named, a tuple where a list was."""


class RATLPOutput(NamedTuple):
    """What one call of the objective returns.

    Attributes:
        loss: clean_weight * clean_loss + weight * adversarial_loss, a scalar; call `.backward()` on it.
        clean_loss: Of the clean batch, a scalar. Differentiable, once, where the loss gives it a weight.
        adversarial_loss: At z + delta, a scalar. Differentiable.
        logits: `[batch, classes]` of the clean batch, detached: their backward pass is done already.
        latent: z = f(x), `[batch, *latent]`, a tuple if `layer` was a list. That of the layer that returns first
            is attached to f's graph, so that it can be penalised; the others are detached.
        delta: The perturbation, `[batch, *latent]`, detached; a tuple likewise. None where the loss was bounded.
    """

    loss: Tensor
    clean_loss: Tensor
    adversarial_loss: Tensor
    logits: Tensor
    latent: Latents
    delta: Latents | None


class RATLP(nn.Module):
    r"""Robust adversarial training via latent perturbations, as a loss around a model.

    With f the model up to `layer`, g the rest, z = f(x) and CE the mean cross-entropy,

        loss = CE(g(z), y) + weight * max over d in S(z) of CE(g(z + d), y).

    The paper's method (RAT-LP, section 3.3) is the default: S(z) the L-inf ball of radius `eps`, its maximum
    approximated by one sign step, d = eps * sign(grad_z CE(g(z), y)). The perturbation is a constant for the
    outer gradient; in a propagated box, its place between the edges is.

    A step costs one forward and backward pass of f and two of g: the backward pass that yields grad_z yields
    g's clean gradients too, and they are kept for `loss.backward()`. Compared with standard training that is
    1 + (g's share of a standard step). Every further step of a maximiser costs one forward and backward pass of
    g. f runs once, whatever the maximiser.

    Wrap this module, not the model, in `DistributedDataParallel`. Under float16 autocast the early gradients
    carry a dynamic loss scale of their own, so that they do not underflow.

    Args:
        model: Any module that gives logits `[batch, classes]`: as a tensor, as `.logits`, as `["logits"]`, or
            first in a tuple.
        layer: Name of the submodule whose output is the latent z: a floating tensor, or a tuple or mapping that
            begins with one. "name#2" for the second call of a module; "input" for the model's input. A list
            perturbs several layers at once.
        eps: Radius of the L-inf ball, in units of the latent; finite and >= 0. Short for
            `perturbation=LInf(eps)`; give one of the two.
        weight: lambda, the weight of the adversarial loss; finite and >= 0.
        perturbation: The set S, or `Propagated` for the box that an input budget leads to; a list gives one for
            each layer.
        maximiser: How the inner maximum is sought; one step, `FGSM()`, unless given. `IntervalBound()` bounds it from
            above instead.
        loss: What is minimised and climbed: a `Loss`, or a function of logits and target; the sum of both
            cross-entropies, `CrossEntropy()`, unless given.
        adversarial_pass: What the adversarial passes do with dropout and BatchNorm.

    Raises:
        InputError: `eps` or `weight` is out of range, not exactly one of `eps` and `perturbation` is given, or
            the lists differ in length.
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
        layer: str | Sequence[str],
        eps: float | None = None,
        weight: float = 1.0,
        perturbation: Perturbation | Sequence[Perturbation] | None = None,
        maximiser: Maximiser | LossBound | None = None,
        loss: Loss | LossFunction | None = None,
        adversarial_pass: AdversarialPass | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.layer = layer
        self.weight = weight
        self.maximiser = FGSM() if maximiser is None else maximiser
        self.loss = _loss(loss)
        self.adversarial_pass = AdversarialPass() if adversarial_pass is None else adversarial_pass
        self._names = (layer,) if isinstance(layer, str) else tuple(layer)
        self.perturbations = _perturbations(self._names, eps, perturbation)
        self._uses_intervals = not all(isinstance(s, PerturbationSet) for s in self.perturbations.values())
        if isinstance(self.maximiser, LossBound):
            _check_bounded(self.maximiser, self.loss, self._names)
            self._uses_intervals = True
        self._cut = Cut(model, self._names)
        self._early_backward = EarlyBackward()

    @property
    def weight(self) -> float:
        """The weight of the adversarial loss; it may be set anew between steps, as schedules do."""
        return self._weight

    @weight.setter
    def weight(self, value: float) -> None:
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"weight must be finite and >= 0; found {value}")
        self._weight = float(value)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, inputs: Any, y: Any) -> RATLPOutput:
        """The loss of one batch and its parts.

        Args:
            inputs: `[batch, *input]`; a tuple of positional inputs; or a mapping of keyword inputs, in which
                `labels` are ignored and padding according to `attention_mask` is never perturbed.
            y: `[batch]`, class indices, or what `loss` takes.

        Raises:
            LayerError: The layer is not called, is called more than once, or does not begin with a floating
                tensor.
            InputError: Called under `torch.inference_mode()`, where no gradient can be had.
        """
        _check_call(y)
        if self._cut.model is not self.model:  # exchanged since
            self._cut = Cut(self.model, self._names)
        self._cut.rehearse(inputs)
        batch = self._clean_batch(inputs, y)
        clean, sets = batch.clean, batch.sets(self.perturbations)
        if isinstance(self.maximiser, LossBound):
            deltas, logits = None, self.maximiser(batch.bounds, sets[0].edges(batch.recording.latent), y)
        else:
            deltas = self.maximiser(self._inner_problem(batch, sets, y))
            logits = batch.logits(_moves(sets, deltas, batch.masks), self.adversarial_pass, final=True)
        adversarial = self.loss.adversarial(logits, y, clean.logits)
        loss = self.weight * adversarial
        if self.loss.clean_weight:
            loss = self.loss.clean_weight * clean.loss + loss
        return RATLPOutput(
            loss=loss,
            clean_loss=clean.loss,
            adversarial_loss=adversarial,
            logits=clean.logits.detach(),
            latent=self._as_named(batch.layers, (batch.recording.latent, *clean.points[1:])),
            delta=deltas and self._as_named(batch.layers, deltas),
        )

    def extra_repr(self) -> str:
        """The choices, for `print(objective)`."""
        sets = dict.fromkeys(map(repr, self.perturbations.values()))
        return (
            f"layer={self.layer!r}, perturbation={', '.join(sets)}, maximiser={self.maximiser}, "
            f"weight={self.weight:g}, loss={self.loss}"
        )

    def _clean_batch(self, inputs: Any, y: Any) -> CleanBatch:
        """The batch, encoded and run through g as it is, with what the passes after it need to know."""
        before, statistics = RandomState(first_input(inputs)), BatchStatistics()
        with statistics if self._uses_intervals else nullcontext():
            recording = self._cut.encode(inputs)
            in_f = len(statistics.found)
            state, watch = RandomState(recording.latent), Watch(self.model)
            taps = tuple(name for name in self._names if name != recording.name)
            clean = self._clean_pass(recording, taps, y)
        moved = {*watch.changed(), *self._cut.moved}
        of_f, of_g = statistics.found[:in_f], statistics.found[in_f:]
        # From the input on g's are constants: their graph went with the early backward pass.
        at_input = Conditions(self.model, moved, before, [*of_f, *(found.detached() for found in of_g)])
        at_latent = Conditions(self.model, moved, state, of_g)
        return CleanBatch(self._cut, inputs, recording, taps, clean, at_input, at_latent)

    def _clean_pass(self, recording: Recording, taps: tuple[str, ...], y: Any) -> CleanPass:
        """The clean batch through g, with what the inner problem and the outer loss need of it."""

        def run(source: Recording) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
            seen: dict[str, Tensor] = {}
            logits = self._cut.replay(source, taps={name: _seeing(seen, name) for name in taps})
            return self.loss.clean(logits, y), logits, tuple(seen[name] for name in taps)

        in_use = self.loss.clean_weight > 0 and torch.is_grad_enabled()
        if isinstance(self.maximiser, LossBound):  # BatchNorm's statistics, attached, go into the bound
            return attached(run, recording, with_gradients=False)
        wanted = self.maximiser.starts_at_zero and self.loss.inner_is_clean
        trained = [p for p in self.model.parameters() if p.requires_grad]
        if self.loss.uses_clean_logits or (in_use and is_sharded(self.model)):
            return attached(run, recording, with_gradients=wanted)
        if in_use or wanted:
            return self._early_backward(run, recording, trained if in_use else None)
        with torch.no_grad():
            return attached(run, recording, with_gradients=False)

    def _inner_problem(self, batch: CleanBatch, sets: Sequence[PerturbationSet], y: Any) -> InnerProblem:
        """The maximum over the sets, for the maximiser."""
        clean = batch.clean

        def losses_at(deltas: Deltas) -> Tensor:
            logits = batch.logits(list(map(_adding, deltas)), self.adversarial_pass)
            return self.loss.inner(logits, y, clean.logits.detach())

        gradients = clean.gradients if self.loss.inner_is_clean else None
        return InnerProblem(losses_at, clean.points, sets, masks=batch.masks, gradients=gradients)

    def _as_named(self, layers: tuple[str, ...], tensors: tuple[Tensor, ...]) -> Latents:
        by_name = dict(zip(layers, tensors, strict=True))
        if isinstance(self.layer, str):
            return by_name[self.layer]
        return tuple(by_name[name] for name in self._names)


def _loss(loss: Loss | LossFunction | None) -> Loss:
    if loss is None:
        return CrossEntropy()
    return loss if isinstance(loss, Loss) else CustomLoss(loss)


def _perturbations(
    names: tuple[str, ...],
    eps: float | None,
    perturbation: Perturbation | Sequence[Perturbation] | None,
) -> dict[str, Perturbation]:
    """That of each layer."""
    if eps is not None and perturbation is None:
        perturbation = LInf(eps)
    elif eps is not None or perturbation is None:
        raise InputError(f"give exactly one of eps and perturbation; found eps={eps} and perturbation={perturbation}")
    sets = [perturbation] * len(names) if isinstance(perturbation, Perturbation) else perturbation
    if len(sets) != len(names):
        raise InputError(
            f"give one perturbation for all layers or one for each; found {len(sets)} for {len(names)} layers"
        )
    return dict(zip(names, sets, strict=True))


def _check_bounded(bound: LossBound, loss: Loss, names: tuple[str, ...]) -> None:
    if not loss.falls_with_margins:
        raise InputError(
            f"{bound} bounds losses that fall as the margins rise, such as CrossEntropy; found {loss}: use that, or a "
            "maximiser such as FGSM()"
        )
    if len(names) > 1:
        raise InputError(f"{bound} takes one layer, all after it is bounded; found {list(names)}: name the first")


def _check_call(y: Any) -> None:
    if torch.is_inference_mode_enabled():
        raise InputError("the objective needs gradients; found torch.inference_mode(): use torch.no_grad() instead")
    if any(tensor.requires_grad for tensor in tensors(y)):
        raise InputError("targets must not require gradients; found some that do: detach them")


def _seeing(seen: dict[str, Tensor], name: str) -> Callable[[Tensor], Tensor]:
    def see(latent: Tensor) -> Tensor:
        seen[name] = latent
        return latent.clone()  # g may change it in place

    return see


def _adding(delta: Tensor) -> Tap:
    return lambda latent: latent + delta


def _moves(sets: Sequence[PerturbationSet], deltas: Deltas, masks: Sequence[Tensor | None]) -> list[Tap]:
    """What is done to the latent of each layer, the cut first."""
    first, *later = sets
    moved = [first.moved, *(set_.moved_further for set_ in later)]
    return list(map(_moving, moved, deltas, masks))


def _moving(moved: Callable[[Tensor, Tensor], Tensor], delta: Tensor, mask: Tensor | None) -> Tap:
    if mask is None:
        return lambda latent: moved(latent, delta)
    return lambda latent: torch.where(mask, moved(latent, delta), latent)  # padding is no part of the set
