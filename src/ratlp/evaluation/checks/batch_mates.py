"""Logits that depend on who shares the batch."""

from typing import ClassVar, Literal

import torch

from ratlp.evaluation.checks.base import SelfCheck
from ratlp.evaluation.checks.case import Case
from ratlp.evaluation.checks.evidence import beyond_rounding, difference
from ratlp.evaluation.checks.outcome import Measured, NotRun

_MOST = 0.01


class BatchMates(SelfCheck):
    """Whether a sample has the same logits in the company of every other sample.

    A BatchNorm that takes its statistics from the batch in evaluation mode too (`track_running_stats=False`, or one
    left in training mode) judges a sample by its neighbours: an attack then moves a sample through the others, and what
    it finds need not hold for the sample alone. Where this rule is broken the checks of attacks are not run.

    The samples go through once as one batch, and once as two, the even and the odd ones; both draw from the same seed.
    The figure is the root mean square of the difference as a share of the logits' spread over the classes. Batch
    statistics make it several per cent, another order of sums in float32 or tf32 less than 0.1 %; the threshold of 1 %,
    or 16 roundings of the logits' type where that is more, lies between. Costs two forward passes. Source: Carlini et
    al. (arXiv 1902.06705): attack the model as it is deployed.

    Example:
        >>> import torch
        >>> from ratlp.evaluation import quick_attacks
        >>> from ratlp.perturbations import LInf
        >>> net, x = torch.nn.Linear(2, 3), torch.randn(40, 2)
        >>> BatchMates()(Case(net, x, net(x).argmax(1), quick_attacks(LInf(0.01)))).verdict
        'pass'
    """

    name = "batch mates"
    rule = "logits change by at most 1 % of their spread when a batch is parted: no batch statistics, no training mode"
    of: ClassVar[Literal["model", "attack"]] = "model"

    gate: ClassVar = True

    def measure(self, case: Case) -> Measured:
        """The difference between one batch and its halves.

        Raises:
            NotRun: The model draws, or there are too few samples.
        """
        rows = case.first_rows
        if case.draws:
            raise NotRun("the model draws")
        if len(rows) < 4:
            raise NotRun(f"a batch of {len(rows)} cannot be parted")
        whole = case.logits_of(rows)
        parted = torch.empty_like(whole)
        for half in (rows[::2], rows[1::2]):
            parted[half] = case.logits_of(half)
        value = difference(whole, parted)
        return Measured(value, not beyond_rounding(value, _MOST, whole.dtype))
