"""A forward is followed as it goes with a tensor, or not at all."""

import contextlib
import copy
import operator

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules.module import register_module_forward_hook
from torch.utils.checkpoint import checkpoint
from utils.forwards import Forward
from utils.ratios import largest_ratio

from ratlp.bounds import lipschitz_bound
from ratlp.errors import BoundError


def augmented_sum(m, x):
    h = m.a(x)
    h += m.b(x)
    return h


def operand_used_again(m, x):
    h = m.a(x)
    h += x
    return h - x


def augmented_in_turn(m, x):
    h = m.a(x)
    h *= 3
    h /= 2.0
    h -= x
    return h


class Tripled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 3 * x

    @staticmethod
    def backward(ctx, gradient):
        return 3 * gradient


def monitored(m, x):
    h = m.a(x)
    m.seen = 0.1 * h.mean() + 0.9 * getattr(m, "seen", 0.0)
    return m.b(h)


def cached(m, x):
    if not hasattr(m, "scale"):
        m.scale = 3.0
        return 3.0 * m.a(x)
    return m.scale * m.a(x)


def its_input_in_place(m, x):
    x -= 0.5
    return m.a(x)


FOLLOWED = {
    "monitored": monitored,
    "cached": cached,
    "its input in place": lambda m, x: its_input_in_place(m, x.clone()),
    "augmented sum": augmented_sum,
    "the other operand is used again": operand_used_again,
    "augmented in turn": augmented_in_turn,
    "a list": lambda m, x: m.a(x[0] if isinstance(x, list) else 5 * x),
    "no parameter": lambda m, x: m.a(x if isinstance(x, nn.Parameter) else 5 * x),
    "an attribute that tensors lack": lambda m, x: m.a(x) if hasattr(x, "mask") else m.a(5 * x),
    "a function with a gradient of its own": lambda m, x: Tripled.apply(m.a(x)),
    "checkpoints": lambda m, x: checkpoint(m.a, x, use_reentrant=False),
    "ordinary tensors of its shape": lambda m, x: m.a(x) + torch.zeros(x.shape),
    "transposed": lambda m, x: m.a(x).unsqueeze(1).transpose(1, 2).flatten(1),
    "by a size": lambda m, x: m.a(x) * x.shape[1],
}


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("name", FOLLOWED)
def test_no_pair_exceeds_the_bound(name, norm):
    for _ in range(3):
        model = Forward(FOLLOWED[name]).double().eval()
        bound = lipschitz_bound(model, norm=norm, input_shape=(4,))
        steepest = largest_ratio(model, (4,), norm, pairs=400)
        assert steepest <= bound * (1 + 1e-8)
        assert bound <= 30 * steepest


WITHOUT_SHAPES = {
    "a function with a gradient of its own": (lambda m, x: Tripled.apply(m.a(x)), 3),
    "reentrant checkpoints": (lambda m, x: checkpoint(m.a, x, use_reentrant=True), 1),
    "ordinary tensors of its shape": (lambda m, x: torch.zeros(x.shape) + m.mean.new_zeros(x.shape) + m.a(x), 1),
}


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("name", WITHOUT_SHAPES)
def test_shapes_that_are_passed_on_need_not_be_known(name):
    function, factor = WITHOUT_SHAPES[name]
    model = Forward(function)
    assert lipschitz_bound(model) == pytest.approx(factor * lipschitz_bound(model.a))


def through_a_slice(m, x):
    h = m.a(x)
    first = h[:, :2]
    first *= 10
    return h


def by_another_name(m, x):
    h = m.a(x)
    same = h
    h += m.b(h)
    return h + same


def through_an_attribute(m, x):
    h = m.a(x)
    turned = h.mT
    turned *= 10
    return m.b(h)


def in_a_function(m, x):
    def tripled(y):
        y *= 3
        return torch.tanh(y)

    h = m.a(x)
    return tripled(h) + h


def new_data(m, x):
    h = m.a(x)
    h.data = h.data * 5
    return h


def caught(m, x):
    try:
        top = float(x.abs().max())
    except TypeError:
        top = 1.0
    return m.a(x) / (top + 1)


def caught_branch(m, x):
    try:
        return m.a(x) if x.max() > 0 else m.b(x)
    except Exception:  # of any kind
        return 0.1 * m.a(x)


def caught_loop(m, x):
    try:
        return sum(m.a(row) for row in x)
    except Exception:
        return 0.1 * m.a(x)


def filled(m, x):
    out = torch.zeros(1, 8, dtype=m.mean.dtype)
    out[:, :4] = m.a(x)
    out[:, 4:] = m.b(x)
    return out


def filled_on_the_way(m, x):
    out = m.mean.repeat(1, 1)
    out[:, :2] = m.a(x)[:, :2]
    return m.b(out)


def added_to(m, x):
    out = torch.zeros(1, 4, dtype=m.mean.dtype)
    out += m.a(x)
    return out * 2


def through_an_option(m, x):
    h = m.a(x)
    functional.threshold(h, 0.1, 20.0, inplace=True)
    return h


def into_memory_of_another(m, x):
    h, y = m.a(x), m.b(x)
    h.set_(y).mul_(5)
    return y


def by_its_length(m, x):
    try:
        n = len(x)
    except Exception:
        return 0.1 * m.a(x)
    return n * m.a(x)


def changed_in_part(m, x):
    with contextlib.suppress(TypeError):
        x[:, 0] = 10 * x[:, 0]
    return m.a(x)


def as_numbers(m, x):
    try:
        return m.a(x) * float(np.asarray(x.detach()).max())
    except Exception:
        return 0.1 * m.a(x)


def a_copy(m, x):
    return m.a(copy.deepcopy(x))


LAST_OR_OTHER = "must be the last use|gives another result"
REFUSED = {
    "filled": (filled, LAST_OR_OTHER),
    "filled on the way": (filled_on_the_way, LAST_OR_OTHER),
    "added to a plain tensor": (added_to, LAST_OR_OTHER),
    "through an option": (through_an_option, LAST_OR_OTHER),
    "into the memory of another": (into_memory_of_another, LAST_OR_OTHER),
    "a shallow copy": (lambda m, x: m.a(copy.copy(x)), "a symbol cannot be copied"),
    "changed in part": (changed_in_part, "a symbol cannot be changed in part"),
    "as numbers": (as_numbers, "a symbol cannot be made a number"),
    "a copy": (a_copy, "a symbol cannot be copied"),
    "through a slice": (through_a_slice, "must be the last use"),
    "by another name": (by_another_name, "must be the last use"),
    "through an attribute": (through_an_attribute, "must be the last use"),
    "in a function": (in_a_function, "must be the last use"),
    "new data": (new_data, "attributes cannot be set; found a new 'data'"),
    "caught": (caught, "a symbol cannot be made a number"),
    "caught branch": (caught_branch, "control flow"),
    "caught loop": (caught_loop, "a loop over a symbol"),
}


@pytest.mark.parametrize("shape", [None, (4,)])
@pytest.mark.parametrize("name", REFUSED)
def test_what_a_symbol_would_hide_is_refused(name, shape):
    function, reason = REFUSED[name]
    with pytest.raises(BoundError, match=reason):
        lipschitz_bound(Forward(function).eval(), input_shape=shape)


def test_a_length_that_is_not_known_is_refused_though_the_error_is_caught():
    with pytest.raises(BoundError, match="a symbol's length is not known without input_shape"):
        lipschitz_bound(Forward(by_its_length))
    model = Forward(by_its_length).eval()
    assert lipschitz_bound(model, input_shape=(4,)) == lipschitz_bound(model.a)


NO_OPERATION = {"__index__", "__inv__", "__invert__", "__iconcat__"}
IN_PLACE = [name[3:-2] for name in dir(operator) if name.startswith("__i") and name not in NO_OPERATION]


@pytest.mark.parametrize("name", IN_PLACE)
def test_every_augmented_assignment_is_in_place(name):
    def changed(m, x):
        h = m.a(x)
        getattr(h[:, :2], f"__i{name}__")(2)
        return h

    with pytest.raises(BoundError, match="must be the last use"):
        lipschitz_bound(Forward(changed))


def shape_that_does_not_fit(m, x):
    try:
        return m.a(x.view(7, -1))
    except Exception:
        return 0.1 * m.a(x)


def test_an_error_of_the_sample_is_not_swallowed_either():
    with pytest.raises(BoundError, match=r"input_shape \(4,\) does not fit"):
        lipschitz_bound(Forward(shape_that_does_not_fit).eval(), input_shape=(4,))


def test_weights_without_values_are_refused():
    with torch.device("meta"), pytest.raises(BoundError, match="found some on the meta device"):
        lipschitz_bound(nn.Linear(2, 2), input_shape=(2,))


def test_hooks_on_all_modules_are_refused():
    handle = register_module_forward_hook(lambda module, args, output: 3 * output)
    try:
        with pytest.raises(BoundError, match="found one on all modules"):
            lipschitz_bound(nn.Linear(2, 2))
    finally:
        handle.remove()
