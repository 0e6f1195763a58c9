"""Closed forms and bounds of what a perturbation can do to a net.

>>> import torch
>>> from ratlp.bounds import Interval, linf_norm, lipschitz_bound
>>> linf_norm(torch.tensor([[1.0, -2.0], [0.5, 0.5]]))
tensor(3.)
>>> torch.relu(Interval(torch.tensor([-1.0]), torch.tensor([2.0])))
Interval(lower=tensor([0.]), upper=tensor([2.]))
>>> lipschitz_bound(torch.nn.Sequential(torch.nn.Tanh(), torch.nn.Sigmoid()), norm="l2")
0.25
"""

from ratlp.bounds.interval import Interval, interval_between, interval_rule, margin_lower_bounds, worst_logits
from ratlp.bounds.interval_init import interval_init_
from ratlp.bounds.linear import L2Ball, SlopeAscent, linear_bounds, linear_margins, linear_rule
from ratlp.bounds.linear_head import exact_maximum, linf_norm, pair_norms, pairwise_norm, worst_margins
from ratlp.bounds.lipschitz import LipschitzParts, lipschitz_bound, lipschitz_parts, lipschitz_rule
from ratlp.bounds.loss_bound import IntervalBound, LossBound

__all__ = [
    "Interval",
    "IntervalBound",
    "L2Ball",
    "LipschitzParts",
    "LossBound",
    "SlopeAscent",
    "exact_maximum",
    "interval_between",
    "interval_init_",
    "interval_rule",
    "linear_bounds",
    "linear_margins",
    "linear_rule",
    "linf_norm",
    "lipschitz_bound",
    "lipschitz_parts",
    "lipschitz_rule",
    "margin_lower_bounds",
    "pair_norms",
    "pairwise_norm",
    "worst_logits",
    "worst_margins",
]
