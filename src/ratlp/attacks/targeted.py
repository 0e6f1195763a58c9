"""Targeted attacks: one climb towards each of the likeliest wrong classes."""

import math

from ratlp.attacks.base import Deltas, InnerProblem, Maximiser
from ratlp.attacks.best import Best
from ratlp.attacks.classifier import AttackLoss, ClassifierProblem
from ratlp.errors import InputError
from ratlp.losses import targeted_dlr


class Targeted(Maximiser):
    """Runs a maximiser towards each of the likeliest wrong classes in turn, as AutoAttack's targeted attacks do.

    Croce and Hein (arXiv 2003.01690). The targets are the classes of highest logit at d = 0 beside y. For each
    sample the perturbation of highest loss, that of the problem, over all targets is returned; samples already
    misclassified are not attacked again.

    Args:
        maximiser: Run once for each target, such as `APGD()`.
        loss: Climbed, as loss(logits, y, target); `targeted_dlr` unless given.
        classes: How many targets; all wrong classes where there are fewer; >= 1.

    Raises:
        InputError: `classes` is out of its range; on use, that the problem is not a `ClassifierProblem`.

    Example:
        >>> import torch
        >>> from ratlp.attacks import APGD
        >>> from ratlp.perturbations import LInf
        >>> x, y = torch.rand(8, 4), torch.arange(8) % 5
        >>> net = torch.nn.Linear(4, 5)
        >>> problem = ClassifierProblem(lambda d, rows: net(x[rows] + d[0]), y, [x], [LInf(0.1)])
        >>> (delta,) = problem.attacked_by(Targeted(APGD(steps=10)))
        >>> bool(delta.abs().max() <= 0.1)
        True
    """

    starts_at_zero = False

    def __init__(self, maximiser: Maximiser, *, loss: AttackLoss = targeted_dlr, classes: int = 9) -> None:
        if classes < 1:
            raise InputError(f"classes must be >= 1; found {classes}")
        self.maximiser = maximiser
        self.takes_gradients = maximiser.takes_gradients
        self.single_step = maximiser.single_step
        self.loss = loss
        self.classes = classes

    def __call__(self, problem: InnerProblem) -> Deltas:
        """The best perturbation over the targets."""
        if not isinstance(problem, ClassifierProblem):
            raise InputError(f"a targeted attack needs a ClassifierProblem; found {type(problem).__name__}")
        best = Best(problem.zeros())
        if problem.finished:
            return best.kept
        logits = problem.logits(problem.zeros())
        wrong = logits.scatter(1, problem.y[:, None], -math.inf)
        targets = wrong.argsort(1, descending=True)[:, : min(self.classes, logits.shape[1] - 1)]
        for target in targets.unbind(1):
            deltas = self.maximiser(problem.climbing(self.loss, target))
            best.update(problem.losses(deltas), deltas)
            if problem.finished:
                break
        return best.kept

    def __repr__(self) -> str:
        return f"Targeted({self.maximiser!r}, loss={getattr(self.loss, '__name__', self.loss)}, classes={self.classes})"
