"""What is checked: a model, samples, and the attacks that are to be trusted on them."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ratlp.attacks import seeded
from ratlp.classification import check_labels_in_range, model_logits
from ratlp.evaluation.attack import Attack
from ratlp.evaluation.attacking import find
from ratlp.evaluation.batches import find_batch_size
from ratlp.evaluation.checks.evidence import beyond_rounding, difference
from ratlp.evaluation.checks.outcome import NotRun
from ratlp.evaluation.inputs import rows_of
from ratlp.evaluation.spaces import Space, Spaces
from ratlp.latent.trees import tensors
from ratlp.perturbations import PerturbationSet

_FIRST = 128
_LEAST_DRIFT = 1e-3

PerSample = Callable[[Space, Tensor], Tensor]
"""Maps a batch and its labels `[batch]` to values for each sample, `[batch, ...]`."""


class Case:
    """A model on loan under attacks at one place: one layer, one perturbation set.

    What several checks need is computed once. Masks are over the samples that are classified rightly, in order.

    Attributes:
        model: In evaluation mode.
        x: Inputs of all samples.
        y: Their labels, `[n]`.
        attacks: Those whose numbers are to be trusted; all at one layer, with equal sets.
        seed: Of all that is drawn.

    Example:
        >>> from ratlp.evaluation.suites import quick_attacks
        >>> from ratlp.perturbations import LInf
        >>> net, x = nn.Linear(2, 2), torch.rand(8, 2)
        >>> case = Case(net, x, net(x).argmax(1), quick_attacks(LInf(0.05)))
        >>> case.n, case.primary.name, case.white_box.shape
        (8, 'pgd', torch.Size([8]))
    """

    def __init__(self, model: nn.Module, x: Any, y: Tensor, attacks: Sequence[Attack], *, seed: int = 0) -> None:
        self.model = model
        self.x = x
        self.y = y
        self.attacks = tuple(attacks)
        self.seed = seed
        self._spaces = Spaces(model)

    @property
    def layer(self) -> str:
        """Where points are moved."""
        return self.attacks[0].layer

    @property
    def perturbation(self) -> PerturbationSet:
        """The budget."""
        return self.attacks[0].perturbation

    @cached_property
    def logits(self) -> Tensor:
        """Without attack, `[n, classes]`.

        Raises:
            InputError: A label has no logit.
        """
        rows = torch.arange(len(self.y), device=self.y.device)
        parts = rows.tensor_split(math.ceil(len(rows) / _FIRST))  # of about equal size: none of a single sample
        logits = torch.cat([self.logits_of(part) for part in parts])
        check_labels_in_range(self.y, logits.shape[1])
        return logits

    @cached_property
    def first_rows(self) -> Tensor:
        """The indices of the first samples, at most 128: enough for a property of the model."""
        return torch.arange(min(len(self.y), _FIRST), device=self.y.device)

    @cached_property
    def drift(self) -> float:
        """How far two passes of the first samples, from different seeds, lie apart: see `difference`."""
        once, again = (self.logits_of(self.first_rows, seed=self.seed + offset) for offset in (1, 2))
        return difference(once, again)

    @property
    def draws(self) -> bool:
        """Whether the model's forward draws: whether they lie apart by more than 0.1 %, and by more than rounding."""
        return beyond_rounding(self.drift, _LEAST_DRIFT, self.logits.dtype)

    @cached_property
    def right(self) -> Tensor:
        """The indices of the samples classified rightly."""
        return (self.logits.argmax(1) == self.y).nonzero()[:, 0]

    @property
    def n(self) -> int:
        """How many samples are classified rightly."""
        return len(self.right)

    @cached_property
    def primary(self) -> Attack:
        """The attack that is varied: the first that takes gradients and several steps, else a single one.

        Raises:
            NotRun: No attack takes gradients.
        """
        found = [*self._iterative, *self._gradient]
        if not found:
            raise NotRun("none of the attacks takes gradients")
        return found[0]

    @cached_property
    def iterative(self) -> Tensor | None:
        """Which samples the attacks with gradients and several steps break; None where there is no such attack."""
        return self._broken_by_any(self._iterative) if self._iterative else None

    @cached_property
    def white_box(self) -> Tensor:
        """Which samples the attacks that take gradients break.

        Raises:
            NotRun: None does.
        """
        if not self._gradient:
            raise NotRun("none of the attacks takes gradients")
        single = [attack for attack in self._gradient if attack not in self._iterative]
        return self._broken_by_any(single, self.iterative)

    def logits_of(self, rows: Tensor, *, seed: int | None = None) -> Tensor:
        """Without attack, of some samples as one batch, `[rows, classes]`; what the model draws begins at the seed."""
        with torch.no_grad(), seeded(self.seed if seed is None else seed, next(tensors(self.x))):
            return model_logits(self.model, rows_of(self.x, rows), n=len(rows))

    def broken(self, attack: Attack, among: Tensor | None = None) -> Tensor:
        """Which samples an attack breaks: `[n right]`, of those in the mask `among` where it is given."""
        return self.per_sample(lambda space, y: find(attack, space, y, seed=self.seed).broken, among)

    def per_sample(self, function: PerSample, among: Tensor | None = None) -> Tensor:
        """Values for each sample classified rightly, batch after batch, `[n right, ...]`; 0 for those not `among`."""
        found = [(places, function(space, y)) for places, space, y in self._batches(among)]
        if not found:
            return torch.zeros(self.n, dtype=torch.bool, device=self.y.device)
        values = torch.cat([part for _, part in found])
        whole = torch.zeros(self.n, *values.shape[1:], dtype=values.dtype, device=values.device)
        return whole.index_copy(0, torch.cat([places for places, _ in found]), values)

    def broken_at(self, deltas: Tensor, among: Tensor) -> Tensor:
        """Which samples the model misclassifies at given perturbations `[n right, *point]`, of those `among`."""
        broken = torch.zeros_like(among)
        for places, space, y in self._batches(among):
            with seeded(self.seed, deltas):
                broken[places] = space.everywhere(deltas[places]).argmax(1) != y
        return broken

    def twin(self, *, model: nn.Module | None = None, x: Any = None) -> "Case":
        """The same samples, classified rightly or not, in another model, or as inputs of another type."""
        x = self.x if x is None else x
        other = Case(self.model if model is None else model, x, self.y, self.attacks, seed=self.seed)
        other.logits = self.logits
        return other

    @cached_property
    def batch_size(self) -> int:
        """How many samples go through at once."""
        return find_batch_size(self.model, self.x)

    def _batches(self, among: Tensor | None) -> Iterator[tuple[Tensor, Space, Tensor]]:
        """Batches of the samples classified rightly: their places, themselves, their labels."""
        places = torch.arange(self.n, device=self.y.device) if among is None else among.nonzero()[:, 0]
        for some in places.split(self.batch_size) if len(places) else ():
            rows = self.right[some]
            yield some, self._spaces.open(self.layer, rows_of(self.x, rows)), self.y[rows]

    @cached_property
    def _gradient(self) -> list[Attack]:
        return [attack for attack in self.attacks if attack.maximiser.takes_gradients]

    @cached_property
    def _iterative(self) -> list[Attack]:
        return [attack for attack in self.attacks if attack.maximiser.iterative]

    def _broken_by_any(self, attacks: Sequence[Attack], broken: Tensor | None = None) -> Tensor:
        """One after the other, each on what those before have left."""
        if broken is None:
            broken = torch.zeros(self.n, dtype=torch.bool, device=self.y.device)
        for attack in attacks:
            broken = broken | self.broken(attack, ~broken)
        return broken
