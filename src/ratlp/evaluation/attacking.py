"""One attack on one batch, and the judgement of what it found."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from ratlp.attacks import ClassifierProblem, seeded
from ratlp.evaluation.attack import Attack
from ratlp.evaluation.records import Value
from ratlp.evaluation.spaces import Space
from ratlp.evaluation.work import Task


class Found(NamedTuple):
    """What an attack found for each sample of a batch.

    Attributes:
        delta: `[batch, *point]`, in the set.
        broken: `[batch]`, whether the model misclassifies there.
        logits: `[batch, classes]` there.
    """

    delta: Tensor
    broken: Tensor
    logits: Tensor


class SpaceProblem(ClassifierProblem):
    """A batch under attack, for attacks that must know where it lies.

    Attributes:
        space: The batch.
    """

    def __init__(self, space: Space, y: Tensor, attack: Attack) -> None:
        super().__init__(space, y, [space.points], [attack.perturbation], loss=attack.loss)
        self.space = space


def find(attack: Attack, space: Space, y: Tensor, *, seed: int) -> Found:
    """Attack a batch, and judge what was found afresh.

    Whatever the maximiser reports, its perturbations are projected into the set, and the model is called once more
    at all of them: a sample counts as broken where that call misclassifies it.

    Args:
        attack: Who searches, and within which budget.
        space: The batch.
        y: Its labels.
        seed: For whatever is drawn; torch's generators stay as they are.

    Example:
        >>> import torch
        >>> from ratlp.attacks import FGSM
        >>> from ratlp.evaluation.spaces import InputSpace
        >>> from ratlp.perturbations import LInf
        >>> net = torch.nn.Linear(2, 2)
        >>> space = InputSpace(net, torch.zeros(3, 2))
        >>> y = net(torch.zeros(3, 2)).argmax(1)
        >>> find(Attack("fgsm", FGSM(), LInf(0.1)), space, y, seed=0).delta.abs().max()
        tensor(0.1000)
    """
    problem = SpaceProblem(space, y, attack)
    (delta,) = problem.project(problem.attacked_by(attack.maximiser, seed=seed))
    with seeded(seed, delta):
        logits = space.everywhere(delta)
    return Found(delta, logits.argmax(1) != y, logits)


class Breaks(Task):
    """Whether an attack turns a sample from right to wrong: 1 or 0.

    Example:
        >>> from ratlp.attacks import FGSM
        >>> from ratlp.perturbations import LInf
        >>> Breaks(Attack("fgsm", FGSM(), LInf(0.1))).spec
        "fgsm: FGSM() on log_odds in LInf(0.1) at 'input', eps 0.1, bounds []"
    """

    def __init__(self, attack: Attack) -> None:
        self.attack = attack
        self.name = attack.name
        self.layer = attack.layer
        self.spec = attack.spec

    def __call__(self, space: Space, y: Tensor, *, seed: int) -> Sequence[Value]:
        """1 for each sample that is misclassified at what the attack found."""
        broken: list[int] = find(self.attack, space, y, seed=seed).broken.int().tolist()
        return broken
