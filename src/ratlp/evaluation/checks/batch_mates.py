"""Logits that depend on who shares the batch."""

from typing import ClassVar, Literal

import torch

from ratlp.evaluation.checks.base import SelfCheck
from ratlp.evaluation.checks.case import Case
from ratlp.evaluation.checks.outcome import Measured, NotRun
from ratlp.evaluation.checks.randomised import difference

_MOST = 0.01
_ROUNDINGS = 16


class BatchMates(SelfCheck):
    """Whether a sample has the same logits in the company of every other sample.

    A BatchNorm that takes its statistics from the batch in evaluation mode too (`track_running_stats=False`, or one
    left in training mode) judges a sample by its neighbours: an attack then moves a sample through the others, and what
    it finds need not hold for the sample alone.

    The samples go through once as one batch, and once as two, the even and the odd ones; both draw from the same seed.
    The figure is the root mean square of the difference as a share of the logits' spread over the classes. Batch
    statistics make it 10 % and more, another order of sums in float32 or tf32 less than 0.1 %; the threshold of 1 %,
    or 16 roundings of the logits' type where that is more, lies between. Costs two forward passes. Source: Carlini et
    al. (arXiv 1902.06705): attack the model as it is deployed.
    """

    name: ClassVar = "batch mates"
    rule = "logits change by at most 1 % of their spread when a batch is parted: no batch statistics, no training mode"
    of: ClassVar[Literal["model", "attack"]] = "model"

    def measure(self, case: Case) -> Measured:
        """The difference between one batch and its halves."""
        rows = case.first_rows()
        if len(rows) < 4:
            raise NotRun(f"a batch of {len(rows)} cannot be parted")
        whole = case.logits_of(rows, seed=case.seed)
        parted = torch.empty_like(whole)
        for half in (rows[::2], rows[1::2]):
            parted[half] = case.logits_of(half, seed=case.seed)
        value = difference(whole, parted)
        return Measured(value, value <= max(_MOST, _ROUNDINGS * torch.finfo(whole.dtype).eps))
