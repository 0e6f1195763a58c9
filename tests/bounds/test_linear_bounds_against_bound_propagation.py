"""Held against another implementation of CROWN, the PyPI package bound-propagation."""

import itertools
import warnings

import pytest
import torch
from torch import nn

from ratlp.bounds import Interval, linear_bounds

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it uses torch.jit.script
    from bound_propagation import BoundModelFactory, HyperRectangle


@pytest.mark.parametrize("eps", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("widths", [(5, 16, 4), (6, 20, 20, 3), (4, 12, 12, 12, 12, 5)])
def test_equals_bound_propagation(widths, eps):
    pairs = itertools.pairwise(widths)
    net = nn.Sequential(*[m for a, b in pairs for m in (nn.Linear(a, b), nn.ReLU())][:-1]).double()
    x = torch.randn(7, widths[0], dtype=torch.double)
    theirs = BoundModelFactory(adaptive_relu=True).build(net).crown(HyperRectangle.from_eps(x, eps)).concretize()
    ours = linear_bounds(net, Interval(x - eps, x + eps))
    by_interval = net(Interval(x - eps, x + eps))
    torch.testing.assert_close(ours.lower, torch.maximum(theirs.lower, by_interval.lower), rtol=0, atol=1e-6)
    torch.testing.assert_close(ours.upper, torch.minimum(theirs.upper, by_interval.upper), rtol=0, atol=1e-6)
