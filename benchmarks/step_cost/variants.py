"""The ways to do a training step: each factory prepares one on a subject at a depth.

A step adds its gradients to the parameters' `.grad` and returns its loss. All but `pgd-7` minimise
CE(g(z)) + CE(g(z + d)); only how they get there differs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ratlp import RATLP
from ratlp.attacks import PGD
from step_cost.subject import Subject

EPS = 0.05
PGD_STEPS = 4
INPUT_STEPS = 7

Step = Callable[[], Tensor]
Factory = Callable[[Subject, int], Step]


def standard(subject: Subject, depth: int) -> Step:
    """Forward and backward of the clean loss."""

    def step() -> Tensor:
        loss = subject.loss()
        loss.backward()
        return loss.detach()

    return step


def ratlp_step(subject: Subject, depth: int) -> Step:
    """`RATLP`, one sign step."""
    return _objective(RATLP(subject.model, layer=subject.layer(depth), eps=EPS), subject)


def literal(subject: Subject, depth: int) -> Step:
    """Algorithm 1 literally, the model split by hand: grad_z by `autograd.grad`, one backward for both."""

    def step() -> Tensor:
        z = subject.encode(depth)
        if not z.requires_grad:
            z = z.detach().requires_grad_()
        clean = subject.loss_from(depth, z)
        (gradient,) = torch.autograd.grad(clean, z, retain_graph=True)
        loss = clean + subject.loss_from(depth, z + EPS * gradient.sign())
        loss.backward()
        return loss.detach()

    return step


def recompute(subject: Subject, depth: int) -> Step:
    """By hooks on the model as it is: two whole forwards and backwards; the first yields grad_z as well."""

    def step() -> Tensor:
        clean, gradient = _clean_step(subject, depth)
        return clean + _adversarial_step(subject, depth, EPS * gradient.sign())

    return step


def input_fgsm(subject: Subject, depth: int) -> Step:
    """FGSM training at the input (BERT: the embeddings) by hand; the clean backward yields the gradient."""
    return recompute(subject, 0)


def input_pgd(subject: Subject, depth: int) -> Step:
    """PGD-7 adversarial training at the input (BERT: the embeddings) by hand, on the perturbed input alone.

    Madry et al. (arXiv 1706.06083): random start, step size 2.5 eps / steps, the last iterate.
    """

    def step() -> Tensor:
        with torch.no_grad():
            start = subject.encode(0)
        delta = EPS * (2 * torch.rand_like(start) - 1)
        delta = climb(delta, INPUT_STEPS, lambda d: subject.loss_from(0, start + d))
        return _adversarial_step(subject, 0, delta)

    return step


def replay(subject: Subject, depth: int) -> Step:
    """`RATLP` with PGD from a random start: four passes of g forth and, for the latent alone, back."""
    maximiser = PGD(steps=PGD_STEPS, keep_best=False)
    return _objective(RATLP(subject.model, layer=subject.layer(depth), eps=EPS, maximiser=maximiser), subject)


def replay_from_zero(subject: Subject, depth: int) -> Step:
    """`RATLP` with PGD from 0: the clean backward pass yields the first of the four gradients."""
    maximiser = PGD(steps=PGD_STEPS, keep_best=False, random_start=False)
    return _objective(RATLP(subject.model, layer=subject.layer(depth), eps=EPS, maximiser=maximiser), subject)


def whole(subject: Subject, depth: int, *, random_start: bool = False) -> Step:
    """PGD in the way of the latent adversarial training repository (arXiv 2407.15549).

    From 0; the parameters are frozen while the whole model runs at every inner step with a hook that adds d;
    backward goes as far as d. Then a step on the whole model with the last d. A standard step before all this
    adds the clean loss.
    """
    with torch.no_grad():
        zero = torch.zeros_like(subject.encode(depth))

    def step() -> Tensor:
        clean = standard(subject, depth)()
        start = EPS * (2 * torch.rand_like(zero) - 1) if random_start else zero
        with _frozen(subject.model):
            delta = climb(start, PGD_STEPS, lambda d: subject.loss_with(depth, lambda z: z + d))
        return clean + _adversarial_step(subject, depth, delta)

    return step


def only_g(subject: Subject, depth: int) -> Step:
    """The part g alone on a detached latent, forward and backward; split by hand. Its time is g's share."""
    with torch.no_grad():
        latent = subject.encode(depth)

    def step() -> Tensor:
        loss = subject.loss_from(depth, latent.detach().requires_grad_())
        loss.backward()
        return loss.detach()

    return step


def only_inner(subject: Subject, depth: int) -> Step:
    """The part g alone, forward, and backward for the latent only: what an inner step needs at least."""
    with torch.no_grad():
        latent = subject.encode(depth)

    def step() -> Tensor:
        z = latent.detach().requires_grad_()
        loss = subject.loss_from(depth, z)
        torch.autograd.grad(loss, z)
        return loss.detach()

    return step


ONE_STEP: dict[str, Factory] = {"ratlp": ratlp_step, "literal": literal, "recompute": recompute}
MANY_STEPS: dict[str, Factory] = {
    "pgd-4-replay": replay,
    "pgd-4-replay-zero": replay_from_zero,
    "pgd-4-whole": whole,
}
AT_INPUT: dict[str, Factory] = {"input-fgsm": input_fgsm, "pgd-7": input_pgd}
PARTS: dict[str, Factory] = {"g": only_g, "inner": only_inner}


def _objective(objective: RATLP, subject: Subject) -> Step:
    def step() -> Tensor:
        loss = objective(subject.inputs, subject.y).loss
        loss.backward()
        return loss.detach()  # type: ignore[no-any-return]

    return step


def _clean_step(subject: Subject, depth: int) -> tuple[Tensor, Tensor]:
    """A standard step that keeps the latent's gradient: the loss and that gradient."""
    kept: list[Tensor] = []

    def keep(z: Tensor) -> Tensor:
        z = z if z.requires_grad else z.detach().requires_grad_()
        z.retain_grad()
        kept.append(z)
        return z

    loss = subject.loss_with(depth, keep)
    loss.backward()
    gradient = kept[0].grad
    assert gradient is not None
    return loss.detach(), gradient


def _adversarial_step(subject: Subject, depth: int, delta: Tensor) -> Tensor:
    loss = subject.loss_with(depth, lambda z: z + delta)
    loss.backward()
    return loss.detach()


def climb(delta: Tensor, steps: int, loss_at: Callable[[Tensor], Tensor], *, eps: float = EPS) -> Tensor:
    """PGD by hand, its step 2.5 eps over the number of steps."""
    for _ in range(steps):
        delta = delta.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss_at(delta), delta)
        delta = (delta.detach() + 2.5 / steps * eps * gradient.sign()).clamp(-eps, eps)
    return delta


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    trained = [p for p in model.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_()
