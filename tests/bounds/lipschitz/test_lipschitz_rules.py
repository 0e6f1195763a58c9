import math
from fractions import Fraction

import pytest
import torch
from torch import nn
from utils.linear_soundness import assert_sound, box
from utils.ratios import largest_ratio, ratio

from ratlp.bounds import lipschitz_bound, lipschitz_rule
from ratlp.bounds.lipschitz.activations import CONSTANTS
from ratlp.errors import BoundError
from ratlp.models import GroupSort, MaxMin

NORMS = ("linf", "l2")


def bound(module, norm, shape):
    return lipschitz_bound(module.double().eval(), norm=norm, input_shape=shape)


def batch_norm(kind):
    module = kind(4)
    nn.init.normal_(module.weight)
    module.running_var.uniform_(0.1, 3)
    return module


def prelu():
    return nn.PReLU(4, init=-1.7)


# The module, the shape of a sample, and whether the bound is attained under each norm, by pairs that ascent finds.
CASES = {
    "linear": (lambda: nn.Linear(5, 7), (5,), True, True),
    "linear, tokens": (lambda: nn.Linear(5, 7), (3, 5), True, True),
    "conv1d": (lambda: nn.Conv1d(2, 3, 3, padding=1), (2, 7), True, True),
    "conv2d": (lambda: nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), (2, 6, 5), True, True),
    "conv3d": (lambda: nn.Conv3d(1, 2, 2, dilation=2), (1, 4, 4, 4), True, True),
    "batch norm 1d": (lambda: batch_norm(nn.BatchNorm1d), (4,), True, True),
    "batch norm 2d": (lambda: batch_norm(nn.BatchNorm2d), (4, 3, 3), True, True),
    "prelu": (prelu, (4,), True, True),
    "leaky relu": (lambda: nn.LeakyReLU(2.5), (4,), True, True),
    "elu": (lambda: nn.ELU(1.5), (4,), False, False),
    "softplus": (lambda: nn.Softplus(beta=3), (4,), False, False),
    "gelu": (nn.GELU, (50,), False, False),
    "gelu tanh": (lambda: nn.GELU("tanh"), (50,), False, False),
    "softmax": (lambda: nn.Softmax(-1), (2,), False, False),
    "softmin": (lambda: nn.Softmin(1), (3,), False, False),
    "log softmax": (lambda: nn.LogSoftmax(-1), (4,), False, False),
    "layer norm": (lambda: nn.LayerNorm(4, eps=0.3), (4,), False, False),
    "average": (lambda: nn.AvgPool2d(2), (2, 4, 4), True, True),
    "average, overlapping": (lambda: nn.AvgPool2d(3, 2, 1), (1, 7, 7), True, True),
    "average, without padding": (lambda: nn.AvgPool1d(3, 2, 1, True, False), (1, 6), True, True),
    "max": (lambda: nn.MaxPool2d(2), (1, 4, 4), True, True),
    "max, overlapping": (lambda: nn.MaxPool2d(3, 2, 1), (1, 7, 7), True, False),
    "max, dilated": (lambda: nn.MaxPool1d(3, 2, dilation=2), (1, 11), True, False),
    "adaptive average": (lambda: nn.AdaptiveAvgPool2d((3, None)), (1, 5, 4), True, True),
    "adaptive max": (lambda: nn.AdaptiveMaxPool1d(3), (1, 5), True, False),
    "flatten": (nn.Flatten, (2, 3), True, True),
    "identity": (nn.Identity, (2, 3), True, True),
    "dropout": (lambda: nn.Dropout(0.5), (4,), True, True),
    "group sort": (lambda: GroupSort(3), (6,), True, True),
    "max min": (MaxMin, (4, 2, 2), True, True),
    **{type_.__name__: (type_, (50,), False, False) for type_ in CONSTANTS},
}


NEED_A_SIZE = ("average, without padding", "adaptive average", "adaptive max", "log softmax")


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", CASES)
def test_no_pair_exceeds_a_rule(name, norm):
    make, shape, *attained = CASES[name]
    module = make()
    found = bound(module, norm, shape)
    steepest = largest_ratio(module, shape, norm)
    assert steepest <= found * (1 + 1e-8)
    if attained[NORMS.index(norm)]:
        assert steepest >= found * (1 - 1e-6)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", [name for name in CASES if name not in NEED_A_SIZE])
def test_without_a_size_a_rule_gives_no_less(name, norm):
    make, shape, *_ = CASES[name]
    module = make()
    assert lipschitz_bound(module.eval(), norm=norm) >= bound(module, norm, shape) * (1 - 1e-6)


ACTIVATIONS = [type_() for type_ in CONSTANTS] + [
    nn.GELU(), nn.GELU("tanh"), nn.ELU(0.3), nn.ELU(1.5), nn.CELU(0.5), nn.LeakyReLU(-3.0), nn.LeakyReLU(0.2),
    nn.Softplus(2.0),
]  # fmt: skip


@pytest.mark.parametrize("module", ACTIVATIONS, ids=repr)
def test_constants_of_activations_are_the_steepest_slopes(module):
    x = torch.cat([torch.linspace(-60, 60, 1_200_001).double(), torch.randn(1000).double() * 1e-6]).requires_grad_()
    (slopes,) = torch.autograd.grad(module(x).sum(), x)
    constant = lipschitz_bound(module)
    assert slopes.abs().max() <= constant * (1 + 3e-8)  # torch's slope of hardsigmoid is 1/6 in float32
    assert slopes.abs().max() >= constant - 5e-5


@pytest.mark.parametrize("norm", NORMS)
def test_softmax_reaches_a_half(norm):
    x = torch.zeros(1, 2).double()
    step = torch.tensor([[1e-6, -1e-6]]).double()
    assert math.isclose(ratio(nn.Softmax(1), x, step, norm), 0.5, rel_tol=1e-6)
    assert lipschitz_bound(nn.Softmax(1), norm=norm) == 0.5


def test_log_softmax_reaches_the_root_of_the_number_of_classes():
    x = torch.tensor([[60.0, 0, 0, 0]]).double()  # p = e_1, and the Jacobian is I - 1 e_1^T
    step = 1e-3 * torch.tensor([[-3.0, 1, 1, 1]]).double()
    assert math.isclose(ratio(nn.LogSoftmax(1), x, step, "l2"), 2.0, rel_tol=1e-6)
    assert math.isclose(lipschitz_bound(nn.LogSoftmax(1), norm="l2", input_shape=(4,)), 2.0)


def test_layer_norm_is_steep_where_the_input_is_constant():
    layer = nn.LayerNorm(4, eps=0.01).double()
    x, step = torch.ones(1, 4).double(), 1e-5 * torch.tensor([[1.0, -1, 1, -1]]).double()
    assert math.isclose(ratio(layer, x, step, "l2"), lipschitz_bound(layer, norm="l2"), rel_tol=1e-6)


@pytest.mark.parametrize(
    ("module", "size"),
    [
        (nn.MaxPool1d(3, 2), 7),
        (nn.MaxPool1d(3, 1, dilation=2), 9),
        (nn.MaxPool1d(4, 3, padding=2, dilation=3), 30),
        (nn.MaxPool1d(2, 3), 9),
        (nn.MaxPool1d(5, 2), 11),
        (nn.AdaptiveMaxPool1d(3), 5),
        (nn.AdaptiveMaxPool1d(7), 3),
    ],
    ids=repr,
)
def test_a_single_bright_pixel_reaches_the_l2_constant_of_max_pooling(module, size):
    steepest = module(torch.eye(size).unsqueeze(1).double()).flatten(1).norm(dim=1).max()
    assert math.isclose(steepest, lipschitz_bound(module, norm="l2", input_shape=(1, size)), rel_tol=1e-9)


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3, 7])
def test_average_pooling_of_any_size_bounds_and_approaches_that_of_a_size(kernel, stride):
    module = nn.AvgPool1d(kernel, stride)
    anywhere = lipschitz_bound(module, norm="l2")
    large = lipschitz_bound(module, norm="l2", input_shape=(1, 200))
    assert 0.99 * anywhere <= large <= anywhere * (1 + 1e-9)


REFUSED = {
    "batch norm, training": (nn.BatchNorm1d(3).train(), "linf", "batch's statistics"),
    "batch norm, no statistics": (nn.BatchNorm1d(3, track_running_stats=False).eval(), "linf", "track_running_stats"),
    "dropout, training": (nn.Dropout().train(), "linf", r"random: call model.eval\(\)"),
    "layer norm, no eps": (nn.LayerNorm(3, eps=0), "l2", "found eps = 0"),
    "softplus, low threshold": (nn.Softplus(threshold=1), "linf", "threshold >= 20"),
    "celu": (nn.CELU(-1.0), "linf", "alpha > 0"),
    "divisor": (nn.AvgPool2d(2, divisor_override=1), "linf", "divisor_override"),
    "average, ceil": (nn.AvgPool2d(3, 2, ceil_mode=True), "l2", "give input_shape"),
    "average, uneven": (nn.AvgPool2d(3, 2, 1, count_include_pad=False), "l2", "give input_shape"),
    "indices": (nn.MaxPool2d(2, return_indices=True), "linf", "return_indices"),
    "adaptive indices": (nn.AdaptiveMaxPool2d(2, return_indices=True), "linf", "return_indices"),
    "adaptive": (nn.AdaptiveAvgPool2d(2), "l2", "give input_shape"),
    "log softmax": (nn.LogSoftmax(1), "l2", "give input_shape"),
    "circular": (nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"), "l2", "found 'circular'"),
    "no rule": (nn.Hardshrink(), "linf", "no Lipschitz rule for Hardshrink"),
    "group norm": (nn.Sequential(nn.GroupNorm(1, 2)), "linf", "GroupNorm at '0'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    module, norm, reason = REFUSED[name]
    with pytest.raises(BoundError, match=reason):
        lipschitz_bound(module, norm=norm)


@pytest.mark.parametrize("value", [math.inf, math.nan])
@pytest.mark.parametrize("norm", NORMS)
def test_weights_that_are_not_finite_are_refused(value, norm):
    layer = nn.Linear(2, 2)
    layer.weight.data[0, 0] = value
    with pytest.raises(BoundError, match="finite weights"):
        lipschitz_bound(layer, norm=norm)


def test_a_subclass_with_its_own_forward_does_not_inherit_the_rule():
    class Same(nn.Linear):
        pass

    class Squared(nn.Linear):
        def forward(self, x):
            return super().forward(x) ** 2

    same = Same(2, 2)
    assert lipschitz_bound(same) == lipschitz_bound(nn.Sequential(same))
    with pytest.raises(BoundError):
        lipschitz_bound(Squared(2, 2))
    same.forward = lambda x: 100 * x  # followed, not taken for a linear layer
    assert lipschitz_bound(nn.Sequential(same)) == 100.0


class Standardised(nn.Conv2d):
    """Weight standardisation: the layer's own `forward` remains."""

    def _conv_forward(self, input, weight, bias):
        weight = weight - weight.mean((1, 2, 3), keepdim=True)
        return super()._conv_forward(input, 5 * weight / weight.std((1, 2, 3), keepdim=True), bias)


@pytest.mark.parametrize("shape", [None, (1, 4, 4)])
@pytest.mark.parametrize("norm", NORMS)
def test_a_convolution_by_other_weights_does_not_inherit_the_rule(norm, shape):
    with pytest.raises(BoundError, match=f"no {norm} Lipschitz bound of the function conv2d: there is no rule"):
        lipschitz_bound(nn.Sequential(Standardised(1, 2, 3)), norm=norm, input_shape=shape)
    patched = nn.Conv2d(1, 2, 3)
    own = patched._conv_forward
    patched._conv_forward = lambda x, weight, bias: own(10 * x, weight, bias)
    with pytest.raises(BoundError, match="no Lipschitz rule for Conv2d at '0'"):
        lipschitz_bound(nn.Sequential(patched), norm=norm, input_shape=shape)


def test_other_bounds_of_a_convolution_by_other_weights_hold():
    net = nn.Sequential(Standardised(1, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3)).double().eval()
    assert_sound(net, box(4, 1, 4, 4))


def test_a_users_rule_gets_norm_and_shape():
    class Cosine(nn.Module):
        def forward(self, x):
            return torch.cos(x) * (1.0 if bool(x.mean() > 0) else -1.0)  # nothing that could be followed

    seen = []

    @lipschitz_rule(Cosine)
    def _cosine(module, norm, shape):
        seen.append((norm, shape))
        return 3.0

    assert lipschitz_bound(nn.Sequential(nn.Flatten(), Cosine()), norm="l2", input_shape=(2, 3)) == 3.0
    assert seen == [("l2", (1, 6))]


@pytest.mark.parametrize("norm", NORMS)
def test_weights_of_any_size(norm):
    for size in (0.0, 1e-200, 1e200):
        layer = nn.Linear(2, 1).double()
        nn.init.constant_(layer.weight, size)
        assert math.isclose(lipschitz_bound(layer, norm=norm), size * (2 if norm == "linf" else math.sqrt(2)))


def test_bounds_are_rounded_up():
    # Ten thousand equal weights whose float64 sum may fall short of the exact one.
    layer = nn.Linear(10_000, 1)
    nn.init.constant_(layer.weight, 0.1)
    assert Fraction(lipschitz_bound(layer)) >= 10_000 * Fraction(layer.weight[0, 0].item())


def test_the_root_of_the_number_of_classes_is_rounded_up():
    for classes in range(2, 30):
        found = lipschitz_bound(nn.LogSoftmax(1), norm="l2", input_shape=(classes,))
        assert Fraction(found) ** 2 >= classes
