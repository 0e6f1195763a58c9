"""One way to give interval bounds, linear bounds and Lipschitz constants a rule: the three decorators."""

import math
import re

import pytest
import torch
from torch import nn
from torch.overrides import wrap_torch_function

from ratlp.bounds import (
    Interval,
    interval_rule,
    linear_bounds,
    linear_margins,
    linear_rule,
    lipschitz_bound,
    lipschitz_rule,
    margin_lower_bounds,
)
from ratlp.bounds.linear import Lines, Relaxed, transposed
from ratlp.errors import InputError

DECORATORS = {"interval_rule": interval_rule, "linear_rule": linear_rule, "lipschitz_rule": lipschitz_rule}
ONE = {
    "interval_rule": "a function, such as torch.relu",
    "linear_rule": "a function, such as torch.relu",
    "lipschitz_rule": "a type of modules, such as torch.nn.ReLU",
}


@wrap_torch_function(lambda x: (x,))
def squareplus(x):
    """Rises and bends upwards (arXiv 2112.11687)."""
    return (x + torch.sqrt(x.square() + 4)) / 2


class Squareplus(nn.Module):
    def forward(self, x):
        return squareplus(x)


def tangent_and_chord(x):
    slope = (1 + x.centre / torch.sqrt(x.centre.square() + 4)) / 2
    at_lower, at_upper = squareplus(x.lower), squareplus(x.upper)
    chord = (at_upper - at_lower) / (x.upper - x.lower)
    return Lines(slope, chord, at_upper - chord * x.upper, lower_intercept=squareplus(x.centre) - slope * x.centre)


def squareplus_net():
    layers = [nn.Linear(3, 8), Squareplus(), nn.Linear(8, 8), Squareplus(), nn.Linear(8, 3)]
    return nn.Sequential(*layers).double()


def test_a_layer_of_ones_own_has_all_three():
    net, x, y = squareplus_net(), torch.randn(6, 3, dtype=torch.double), torch.arange(6) % 3
    region = Interval(x - 0.4, x + 0.4)

    @interval_rule(squareplus)
    def _interval(x):
        return Interval(squareplus(x.lower), squareplus(x.upper))

    without = linear_margins(net, region, y)

    @linear_rule(squareplus)
    def _linear(call, x):
        return Relaxed(call.output, x, lambda bounds: bounds.lower < bounds.upper, tangent_and_chord)

    @lipschitz_rule(Squareplus)
    def _lipschitz(module, norm, shape):
        return 1.0

    with_rule, by_interval = linear_margins(net, region, y), margin_lower_bounds(net(region), y)
    others = torch.arange(3) != y[:, None]
    assert (with_rule[others] > by_interval[others]).all()
    assert (with_rule[others] > without[others] + 0.01).all()
    for i in range(200):
        share = torch.rand_like(x)
        logits = net(torch.lerp(*region.bounds, share.round() if i % 2 else share)).detach()
        assert (with_rule <= logits.gather(1, y[:, None]) - logits + 1e-9).all()
    product = math.prod(layer.weight.abs().sum(1).max().item() for layer in net[::2])
    assert math.isclose(lipschitz_bound(net), product)


def test_an_affine_function_of_ones_own_is_exact():
    @wrap_torch_function(lambda x: (x,))
    def differences(x):
        return x[:, 1:] - x[:, :-1]

    @interval_rule(differences)
    def _interval(x):
        return x[:, 1:] - x[:, :-1]

    @linear_rule(differences)
    def _linear(call, x):
        return transposed(call)

    x = torch.randn(4, 5, dtype=torch.double)
    found = linear_bounds(lambda x: differences(differences(x)), Interval(x - 0.1, x + 0.1))
    torch.testing.assert_close(found.radius, torch.full((4, 3), 0.4, dtype=torch.double))  # 0.1 (1 + 2 + 1)


def test_a_rule_that_returns_none_leaves_the_call_to_intervals():
    @wrap_torch_function(lambda x: (x,))
    def doubled(x):
        return 2 * x

    interval_rule(doubled)(lambda x: 2 * x)
    linear_rule(doubled)(lambda call, x: None)
    region = Interval(-torch.ones(1, 1), torch.ones(1, 1))
    assert linear_bounds(lambda x: doubled(x) - x, region).upper == 3.0


@pytest.mark.parametrize("name", DECORATORS)
def test_a_rule_is_returned_as_it_is(name):
    class Own(nn.Module):
        pass

    def own(x):
        return x

    def rule(*args):
        return None

    assert DECORATORS[name](Own if name == "lipschitz_rule" else own)(rule) is rule


@pytest.mark.parametrize("name", DECORATORS)
def test_what_has_a_rule_gets_no_second(name):
    known, said = (nn.ReLU, "ReLU") if name == "lipschitz_rule" else (torch.relu, "torch.relu")
    message = f"@{name} takes what has no rule yet; found {said}: use a "
    with pytest.raises(InputError, match=re.escape(message)):
        DECORATORS[name](known)


@pytest.mark.parametrize("name", DECORATORS)
@pytest.mark.parametrize("wrong", ["relu", 3, nn.ReLU(), [1], torch.float32], ids=repr)
def test_what_can_have_no_rule_is_refused(name, wrong):
    with pytest.raises(InputError, match=re.escape(f"@{name} takes {ONE[name]}; found {wrong!r}")):
        DECORATORS[name](wrong)


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("interval_rule", nn.ReLU, "ReLU"),
        ("linear_rule", nn.ReLU, "ReLU"),
        ("lipschitz_rule", torch.relu, "torch.relu"),
    ],
)
def test_functions_and_types_of_modules_are_told_apart(name, wrong, said):
    with pytest.raises(InputError, match=re.escape(f"@{name} takes {ONE[name]}; found {said}")):
        DECORATORS[name](wrong)


@pytest.mark.parametrize("name", DECORATORS)
def test_a_rule_for_nothing_is_refused(name):
    with pytest.raises(InputError, match=re.escape(f"@{name} takes {ONE[name]}; found none")):
        DECORATORS[name]()


def test_a_refused_rule_is_registered_for_nothing():
    def own(x):
        return x

    for decorator in (interval_rule, linear_rule):
        with pytest.raises(InputError):
            decorator(own, torch.relu)
        assert decorator(own)(own) is own
