"""A classifier under attack: the inner problem of evaluation, which lets go of a sample once it is misclassified."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ratlp.attacks.base import Deltas, InnerProblem, Maximiser
from ratlp.attacks.best import select
from ratlp.attacks.random_state import seeded
from ratlp.errors import InputError
from ratlp.losses import log_odds
from ratlp.perturbations import PerturbationSet

AttackLoss = Callable[..., Tensor]
"""Maps logits `[rows, classes]` and labels `[rows]` to `[rows]`, to be climbed: see `ratlp.losses`."""


class ClassifierProblem(InnerProblem):
    """max over d in S(z) of loss(logits(z + d), y), for each sample until it is misclassified.

    Every point that a maximiser looks at is watched. The first one at which argmax logits != y is kept for its
    sample, whatever its loss, and the sample is not evaluated again: the batch given to the net shrinks, in the
    midst of any maximiser, over restarts and over attacks that share the problem through `climbing`. To the
    maximiser such a sample shows the loss it had, and a gradient of 0.

    Args:
        logits_at: Maps the perturbations of some samples, and the index of those, `[rows]`, to their logits,
            `[rows, classes]`: for an input `lambda deltas, rows: model(x[rows] + deltas[0])`.
        y: `[batch]`, class indices.
        points: `[batch, *latent]` each, detached.
        perturbations: The set of each point.
        loss: What is climbed: `log_odds`, which is cross-entropy without its saturation, unless given.
        masks: As in `InnerProblem`.

    Raises:
        InputError: On use: the logits are not `[rows, classes]`, or the loss does not give one value per sample.

    Example:
        >>> from ratlp.attacks import PGD
        >>> from ratlp.perturbations import LInf
        >>> x, y = torch.tensor([[0.2], [2.0], [-1.0]]), torch.tensor([0, 0, 0])
        >>> net = lambda x: torch.cat([x, -x], dim=1)  # class 0 where x >= 0
        >>> problem = ClassifierProblem(lambda d, rows: net(x[rows] + d[0]), y, [x], [LInf(0.5)])
        >>> (delta,) = problem.attacked_by(PGD(steps=5))
        >>> problem.misclassified  # by an attack, never, and without one
        tensor([ True, False,  True])
        >>> bool(x[0] + delta[0] < 0), float(delta[2])
        (True, 0.0)
    """

    def __init__(
        self,
        logits_at: Callable[[Deltas, Tensor], Tensor],
        y: Tensor,
        points: Sequence[Tensor],
        perturbations: Sequence[PerturbationSet],
        *,
        loss: AttackLoss = log_odds,
        masks: Sequence[Tensor | None] | None = None,
    ) -> None:
        super().__init__(self._watched, points, perturbations, masks=masks)
        self._logits_at = logits_at
        self._loss = loss
        self._labels: tuple[Tensor, ...] = (y,)
        self._found = _Found(self.zeros())
        self._losses: Tensor | None = None

    @property
    def y(self) -> Tensor:
        """The labels, `[batch]`."""
        return self._labels[0]

    @property
    def misclassified(self) -> Tensor:
        """`[batch]`, whether a point was seen at which the sample is misclassified."""
        return self._found.mask.clone()

    @property
    def finished(self) -> bool:
        """Whether every sample is misclassified somewhere."""
        return len(self._found.rest) == 0

    def climbing(self, loss: AttackLoss, *labels: Tensor) -> "ClassifierProblem":
        """The same problem with another loss, which shares what has been found: a further attack on the rest.

        Args:
            loss: Called as loss(logits, y, *labels).
            labels: `[batch]` each, such as the classes that a targeted attack aims at.
        """
        arguments = (self._logits_at, self.y, self.points, self.perturbations)
        other = ClassifierProblem(*arguments, loss=loss, masks=self._masks)
        other._labels += labels
        other._found = self._found
        return other

    def attacked_by(self, maximiser: Maximiser, *, seed: int = 0) -> Deltas:
        """Attack with a maximiser, from a seed, leaving torch's generators as they were.

        The unperturbed points are looked at first: what is misclassified there is not attacked.

        Returns:
            For each point `[batch, *latent]`: where the sample is misclassified, the first perturbation seen that
            does it, by this attack or another before; elsewhere the maximiser's.
        """
        with seeded(seed, self.points[0]):
            self.losses(self.zeros())
            deltas = self.zeros() if self.finished else maximiser(self)
            self.losses(deltas)
        return select(self._found.mask, self._found.deltas, deltas)

    def logits(self, deltas: Deltas) -> Tensor:
        """The logits of every sample, `[batch, classes]`, without a graph; nothing is noted."""
        with torch.no_grad():
            return self._logits_at(deltas, torch.arange(len(self.y), device=self.y.device))

    def losses(self, deltas: Deltas) -> Tensor:
        """As in `InnerProblem`; of a misclassified sample, the last one that was computed."""
        rows = self._found.rest
        return self._remembered(super().losses(_at(deltas, rows)) if len(rows) else None, rows)

    def losses_and_gradients(self, deltas: Deltas) -> tuple[Tensor, Deltas]:
        """As in `losses`; the gradient of a misclassified sample is 0."""
        rows = self._found.rest
        if len(rows) == 0:
            return self._remembered(None, rows), self.zeros()
        # The batch is narrowed before the graph is built: going back through an index costs more than the rest.
        losses, gradients = self._differentiated(_at(deltas, rows))
        if len(rows) < len(self.y):
            pairs = zip(deltas, gradients, strict=True)
            gradients = tuple(torch.zeros_like(d).index_copy_(0, rows, g) for d, g in pairs)
        return self._remembered(losses, rows), self._masked(gradients)

    def _watched(self, deltas: Deltas) -> Tensor:
        """The loss of each sample that is left, at its perturbation."""
        rows = self._found.rest
        labels = _at(self._labels, rows)
        logits = self._logits_at(deltas, rows)
        losses = self._loss(logits, *labels)
        if losses.shape != rows.shape:
            raise InputError(
                f"the loss of an attack must give one value for each of {len(rows)} samples; "
                f"found shape {tuple(losses.shape)}"
            )
        self._found.note(logits.detach().argmax(1) != labels[0], deltas)
        return losses

    def _remembered(self, losses: Tensor | None, rows: Tensor) -> Tensor:
        """The losses of all samples, after those of `rows` have been computed anew."""
        if losses is not None and len(losses) == len(self.y):
            self._losses = losses
            return losses
        if self._losses is None:  # infinite where another attack has found a point: none is better
            self._losses = torch.full(self.y.shape, math.inf, device=self.y.device)
        if losses is not None:
            self._losses = self._losses.to(losses.dtype).index_copy(0, rows, losses)
        return self._losses


class _Found:
    """The first perturbation seen for each sample at which it is misclassified."""

    def __init__(self, zeros: Deltas) -> None:
        self.deltas = zeros
        self.mask = torch.zeros(len(zeros[0]), dtype=torch.bool, device=zeros[0].device)
        self.rest = torch.arange(len(self.mask), device=self.mask.device)

    def note(self, wrong: Tensor, deltas: Deltas) -> None:
        """Which of the rest are misclassified at `deltas`."""
        if not wrong.any():
            return
        rows = self.rest[wrong]
        for kept, delta in zip(self.deltas, deltas, strict=True):
            kept[rows] = delta.detach()[wrong]
        self.mask[rows] = True
        self.rest = self.rest[~wrong]


def _at(tensors: tuple[Tensor, ...], rows: Tensor) -> tuple[Tensor, ...]:
    """Some samples of each, or, as it is, all."""
    if len(rows) == len(tensors[0]):
        return tensors
    return tuple(tensor.index_select(0, rows) for tensor in tensors)
