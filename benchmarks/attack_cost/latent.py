"""An attack on a latent: replayed from there, and through the whole model at every step."""

from collections.abc import Callable

import torch
from step_cost.models import SIZES, TINY, build
from step_cost.subject import Subject
from step_cost.variants import climb
from torch import Tensor
from torch.nn.functional import cross_entropy

from attack_cost.timing import Clock, Timing, interleaved, timing
from ratlp.attacks import PGD, InnerProblem
from ratlp.evaluation.spaces import Spaces
from ratlp.perturbations import LInf

DEPTH = 75
EPS = 0.1
STEPS = 20
MODELS = {"mlp": "MLP with 8 layers", "cnn": "ResNet-18"}


def by_replay(subject: Subject, depth: int) -> Callable[[], Tensor]:
    """The library's: the latent is encoded once, at the beginning, and every step runs what comes after it.

    A model is opened once for all its batches; the first is rehearsed, which the first round does here.
    """
    layer, spaces = subject.layer(depth), Spaces(subject.model)

    def attack() -> Tensor:
        space = spaces.open(layer, subject.inputs)
        rows = torch.arange(len(subject.y))
        problem = InnerProblem(
            lambda d: cross_entropy(space(d, rows), subject.y, reduction="none"), [space.points], [LInf(EPS)]
        )
        return PGD(steps=STEPS, keep_best=False)(problem)[0]

    return attack


def by_hook(subject: Subject, depth: int) -> Callable[[], Tensor]:
    """By hand: a forward hook adds the perturbation, and every step runs the whole model."""
    with torch.no_grad():
        like = subject.encode(depth)

    def attack() -> Tensor:
        delta = EPS * (2 * torch.rand_like(like) - 1)
        return climb(delta, STEPS, lambda d: subject.loss_with(depth, lambda z: z + d), eps=EPS)

    return attack


def latent_times(*, tiny: bool, rounds: int, at_most: float, clock: Clock) -> list[Timing]:
    """Both, for each model, at 75 % depth."""
    found = []
    for name, described in MODELS.items():
        torch.manual_seed(0)
        subject = build(name, (TINY if tiny else SIZES)[name])
        subject.model.eval()
        calls = {"ratlp": by_replay(subject, DEPTH), "forward hook": by_hook(subject, DEPTH)}
        seconds = interleaved(calls, subject.model, rounds=rounds, at_most=at_most, clock=clock)
        what = f"{described}, {subject.layer(DEPTH)}"
        found += [timing((what, f"{DEPTH} % depth", by), own, seconds["ratlp"]) for by, own in seconds.items()]
    return found
