"""Gradients that are lost to rounding, and that float64 would show."""

import torch
from torch import Tensor

from ratlp.evaluation.checks.base import SelfCheck
from ratlp.evaluation.checks.case import Case
from ratlp.evaluation.checks.evidence import TOLERATED
from ratlp.evaluation.checks.outcome import Measured, NotRun
from ratlp.evaluation.checks.zero_gradients import gradients
from ratlp.latent.batch import first_input
from ratlp.latent.on_loan import on_loan
from ratlp.latent.trees import in_type

_ALIKE = 0.9


class Precision(SelfCheck):
    """Whether the gradient is the one that the model has in float64.

    Where it is not, rounding hides it: intermediate values overflow or cancel. Evaluate in float64 then
    (`evaluate(..., dtype=torch.float64)`). A gradient that is 0 in both types counts as alike; see "zero gradients".

    The rule is broken where significantly more than 5 % of the samples (exact binomial test, level 1 %) have gradients
    whose cosine is below 0.9: sound float32 has 0.999 and more. The figure is the share of such samples. Costs one
    forward and backward pass, and one in float64. Source: Athalye et al. (arXiv 1802.00420) on numerical
    instability as gradient masking.

    Example:
        >>> import torch
        >>> from ratlp.evaluation import quick_attacks
        >>> from ratlp.perturbations import LInf
        >>> net, x = torch.nn.Linear(2, 3), torch.randn(40, 2)
        >>> Precision()(Case(net, x, net(x).argmax(1), quick_attacks(LInf(0.01)))).verdict
        'pass'
    """

    name = "precision"
    rule = "the gradient has a cosine below 0.9 to the one in float64 for no more than 5 % of the samples"

    def measure(self, case: Case) -> Measured:
        """The share of samples whose gradient float64 corrects.

        Raises:
            NotRun: The model draws, is in float64 already, or does not run in it.
        """
        if case.draws:
            raise NotRun("the model draws")
        found = first_input(case.x)
        if found is not None and found.dtype is torch.float64:
            raise NotRun("the model is evaluated in float64")
        own = case.per_sample(lambda space, y: gradients(case, space, y).flatten(1).double())
        try:
            with on_loan(case.model, dtype=torch.float64):
                twin = case.twin(x=in_type(case.x, torch.float64))
                exact = twin.per_sample(lambda space, y: gradients(twin, space, y).flatten(1))
        except (RuntimeError, TypeError, NotImplementedError) as error:
            raise NotRun(f"the model does not run in float64: {error}") from error
        return self.share(int((~_alike(own, exact)).sum()), case, at_most=TOLERATED)


def _alike(these: Tensor, those: Tensor) -> Tensor:
    """Whether vectors `[n, d]` point the same way; two zeros do."""
    ours, theirs = _unit(these), _unit(those)
    both_zero = ~ours.any(1) & ~theirs.any(1)
    return ((ours * theirs).sum(1) >= _ALIKE) | both_zero


def _unit(vectors: Tensor) -> Tensor:
    # Divided by the largest entry first, so that no square under- or overflows.
    largest = vectors.abs().amax(1, keepdim=True)
    shrunk = vectors / torch.where(largest > 0, largest, 1)
    length: Tensor = torch.linalg.vector_norm(shrunk, dim=1, keepdim=True)
    return shrunk / length.clamp(min=1)
