"""Interval bounds for a model's own forward.

An `Interval` is a tensor that holds a lower and an upper bound. Unmodified model code runs on it: every torch function
goes to its rule, one small function in one of this package's files.

>>> import torch
>>> from ratlp.bounds import Interval
>>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
>>> x = torch.randn(5, 2)
>>> logits = model(Interval(x - 0.1, x + 0.1))
>>> bool(((logits.lower <= model(x)) & (model(x) <= logits.upper)).all())
True
"""

from ratlp.bounds.interval import (  # noqa: F401
    arithmetic,
    attention,
    dropout,
    elementwise,
    linear,
    normalisation,
    order,
    reductions,
    relu,
    shapes,
    softmax,
)
from ratlp.bounds.interval.batch_statistics import BatchStatistics, Statistics, supplied
from ratlp.bounds.interval.rules import interval_rule
from ratlp.bounds.interval.tensor import AffineMap, Interval, ends, interval_between
from ratlp.bounds.interval.worst_case import logits_over, margin_lower_bounds, worst_logits

__all__ = [
    "AffineMap",
    "BatchStatistics",
    "Interval",
    "Statistics",
    "ends",
    "interval_between",
    "interval_rule",
    "logits_over",
    "margin_lower_bounds",
    "supplied",
    "worst_logits",
]
