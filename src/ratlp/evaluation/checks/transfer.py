"""Perturbations found on another model that do better than those found on this one."""

import torch
from torch import Tensor, nn

from ratlp.attacks import PGD, InnerProblem, seeded
from ratlp.errors import InputError
from ratlp.evaluation.checks.base import SelfCheck
from ratlp.evaluation.checks.case import Case
from ratlp.evaluation.checks.evidence import NOISE
from ratlp.evaluation.checks.outcome import Measured
from ratlp.evaluation.checks.surrogate import imitate
from ratlp.evaluation.spaces import InputSpace, Space
from ratlp.latent.layers import INPUT
from ratlp.latent.on_loan import on_loan
from ratlp.losses import log_odds

_STEPS = 20


class Transfer(SelfCheck):
    """Whether perturbations found on a surrogate break what the attacks on the model itself do not.

    PGD with 20 steps climbs the surrogate, on what all attacks with gradients have left, and the model is asked at what
    it finds. A perturbation that transfers shows that the model's own gradients are hidden, not that it is robust. The
    rule is broken where significantly more than 1 % of the samples (exact binomial test, level 1 %) are broken so.

    The surrogate is a model of the caller's, best one of the same data trained without defence, for attacks on the
    input; otherwise, and at a layer, a small net trained on the model's own predictions at random points of the set
    (`ratlp.evaluation.checks.surrogate`), as Papernot et al. (arXiv 1602.02697) do.

    The figure is the share of samples broken so. Costs ten forward passes of the samples that are left, and half a
    second of training for a hundred samples of a hundred features. Source: Carlini et al. (arXiv 1902.06705);
    Athalye et al. (arXiv 1802.00420), section 3.1.

    Args:
        surrogate: Another model, with the same inputs and classes.

    Example:
        >>> import torch
        >>> from ratlp.evaluation import quick_attacks
        >>> from ratlp.perturbations import LInf
        >>> net, x = torch.nn.Linear(2, 3), torch.randn(40, 2)
        >>> Transfer()(Case(net, x, net(x).argmax(1), quick_attacks(LInf(0.01)))).verdict
        'pass'
    """

    name = "transfer"
    rule = "perturbations found on another model break no more than 1 % of the samples beside the white-box attacks"

    def __init__(self, surrogate: nn.Module | None = None) -> None:
        self._surrogate = surrogate

    def measure(self, case: Case) -> Measured:
        """The share that transfer alone breaks.

        Raises:
            InputError: The surrogate has other classes.
        """
        among = ~case.white_box
        if not bool(among.any()):
            return self.share(0, case, at_most=NOISE)
        if self._surrogate is not None and case.layer == INPUT:
            with on_loan(self._surrogate):
                other = case.twin(model=self._surrogate)
                classes = other.logits_of(case.first_rows).shape[1]
                if classes != case.logits.shape[1]:
                    raise InputError(
                        f"a surrogate must have the model's {case.logits.shape[1]} classes; found {classes}"
                    )
                deltas = other.per_sample(lambda space, y: self._climb(case, space, y), among)
        else:
            deltas = case.per_sample(lambda space, y: self._climb_imitation(case, space, y), among)
        return self.share(int(case.broken_at(deltas, among).sum()), case, at_most=NOISE)

    def _climb_imitation(self, case: Case, space: Space, y: Tensor) -> Tensor:
        twin = imitate(space, case.perturbation, seed=case.seed)
        return self._climb(case, InputSpace(twin, space.points), y)

    def _climb(self, case: Case, space: Space, y: Tensor) -> Tensor:
        """The point of highest loss: what the surrogate just misclassifies rarely transfers."""
        rows = torch.arange(len(y), device=y.device)
        problem = InnerProblem(lambda deltas: log_odds(space(deltas, rows), y), [space.points], [case.perturbation])
        with seeded(case.seed, space.points):
            (delta,) = PGD(steps=_STEPS)(problem)
        return delta
