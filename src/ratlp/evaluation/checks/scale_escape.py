"""A latent that has outgrown its budget."""

from dataclasses import replace

import torch

from ratlp.evaluation.checks.base import SelfCheck
from ratlp.evaluation.checks.case import Case
from ratlp.evaluation.checks.evidence import outweighs
from ratlp.evaluation.checks.outcome import Measured, NotRun
from ratlp.latent.layers import INPUT
from ratlp.perturbations import L2, LInf
from ratlp.perturbations.scale import rms_per_sample

_SMALL = 0.01
_REFERENCE = 0.1


class ScaleEscape(SelfCheck):
    """Whether an absolute budget at a layer means anything beside the latent's own scale.

    An encoder multiplied by c, with its head divided by c, computes the same and feels an absolute perturbation c times
    less: robust accuracy rises to the clean accuracy, and nothing has become robust (Miyato et al., arXiv 1605.07725).

    The primary attack is run with a budget of a tenth of each latent's root mean square, which no rescaling changes.
    The rule is broken where both hold: the absolute budget is, on average, below a hundredth of the root mean square (a
    tenth of that reference), and the relative one breaks significantly more samples (McNemar's exact test, one-sided,
    level 1 %). Give the budget relative to the latent then: `LInf(0.1, relative_to=rms_per_sample)`.

    The figure is the absolute budget as a multiple of the root mean square (in L2, of the latent's length). At a layer
    only; sets that are relative keep the rule by themselves, at no cost. Otherwise costs the primary attack twice.

    Example:
        >>> import torch
        >>> from ratlp.evaluation import quick_attacks
        >>> encoder, head, x = torch.nn.Linear(2, 8), torch.nn.Linear(8, 3), torch.randn(80, 2)
        >>> net = torch.nn.Sequential(encoder, head)
        >>> y, attacks = net(x).argmax(1), quick_attacks(LInf(0.1), layer="0")
        >>> before = ScaleEscape()(Case(net, x, y, attacks)).verdict
        >>> with torch.no_grad():
        ...     for parameter in encoder.parameters():
        ...         _ = parameter.mul_(1000)
        ...     _ = head.weight.div_(1000)
        >>> before, ScaleEscape()(Case(net, x, y, attacks)).verdict
        ('pass', 'do not trust')
    """

    name = "scale escape"
    rule = (
        "eps is at least 1 % of the latent's root mean square, or an attack with 10 % of it breaks no more samples: "
        "the latent has not outgrown an absolute budget"
    )

    def applies(self, case: Case) -> bool:
        """At a layer."""
        return case.layer != INPUT

    def measure(self, case: Case) -> Measured:
        """The budget, in units of the latent's scale.

        Raises:
            NotRun: The set is no ball of one radius.
        """
        set_ = case.perturbation
        if not isinstance(set_, LInf | L2) or not isinstance(set_.eps, float):
            raise NotRun(f"{set_} has no eps that is one number")
        if set_.relative_to is not None:
            return Measured(set_.eps, kept=True)
        points = case.per_sample(lambda space, y: space.points)
        reference = type(set_)(_REFERENCE, relative_to=rms_per_sample, bounds=set_.bounds)
        unit = float(torch.as_tensor(reference.unit(points)).mean())
        if unit == 0:
            raise NotRun("the latent is 0")
        value = set_.eps / unit
        if value >= _SMALL:
            return Measured(value, kept=True)
        relative = replace(case.primary, perturbation=reference)
        absolute, scaled = case.broken(case.primary), case.broken(relative)
        more, fewer = int((scaled & ~absolute).sum()), int((absolute & ~scaled).sum())
        return Measured(value, not outweighs(more, fewer))
