"""Closed forms and bounds of what a perturbation can do to a net.

>>> import torch
>>> from ratlp.bounds import Interval, linf_norm
>>> linf_norm(torch.tensor([[1.0, -2.0], [0.5, 0.5]]))
tensor(3.)
>>> torch.relu(Interval(torch.tensor([-1.0]), torch.tensor([2.0])))
Interval(lower=tensor([0.]), upper=tensor([2.]))
"""

from ratlp.bounds.interval import Interval, interval_between, margin_lower_bounds, rule, worst_logits
from ratlp.bounds.linear_head import exact_maximum, linf_norm, pairwise_norm
from ratlp.bounds.loss_bound import IntervalBound, LossBound

__all__ = [
    "Interval",
    "IntervalBound",
    "LossBound",
    "exact_maximum",
    "interval_between",
    "linf_norm",
    "margin_lower_bounds",
    "pairwise_norm",
    "rule",
    "worst_logits",
]
