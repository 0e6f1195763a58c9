import math

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn

from ratlp.bounds import lipschitz_bound
from ratlp.bounds.lipschitz import convolution as rules

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def matrix(module, shape):
    """One column per input: the slow, obvious form."""
    n = math.prod(shape)
    basis = torch.eye(n, dtype=torch.float64).view(n, *shape)
    with torch.no_grad():
        return (module(basis) - module(torch.zeros_like(basis))).flatten(1).T


@st.composite
def convolutions(draw):
    dimensions = draw(st.sampled_from([1, 1, 2, 2, 3]))
    each = st.tuples(*[st.integers(1, 3 if dimensions < 3 else 2)] * dimensions)
    groups = draw(st.integers(1, 2))
    kernel, dilation = draw(each), draw(each)
    padding = draw(st.tuples(*[st.integers(0, 2)] * dimensions))
    fits = [d * (k - 1) + 1 - 2 * p for k, d, p in zip(kernel, dilation, padding, strict=True)]
    sizes = [max(1, n) + draw(st.integers(0, 3 if dimensions < 3 else 1)) for n in fits]
    torch.manual_seed(draw(st.integers(0, 99)))
    module = CONVOLUTIONS[dimensions](
        groups * draw(st.integers(1, 2)),
        groups * draw(st.integers(1, 2)),
        kernel,
        stride=draw(each),
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
    return module.double(), (module.in_channels, *sizes)


@settings(max_examples=80, deadline=None)
@given(convolutions())
def test_against_the_matrix(drawn):
    module, shape = drawn
    dense = matrix(module, shape)
    exact = {"linf": float(dense.abs().sum(1).max()), "l2": float(torch.linalg.matrix_norm(dense, 2))}
    for norm, value in exact.items():
        assert math.isclose(lipschitz_bound(module, norm=norm, input_shape=shape), value, rel_tol=1e-9, abs_tol=1e-12)
        assert lipschitz_bound(module, norm=norm) >= value * (1 - 1e-12)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_other_padding_under_linf(mode):
    module = nn.Conv2d(2, 3, 3, padding=1, padding_mode=mode).double()
    assert matrix(module, (2, 4, 4)).abs().sum(1).max() <= lipschitz_bound(module) * (1 + 1e-12)
    assert lipschitz_bound(module, input_shape=(2, 4, 4)) == lipschitz_bound(module)


@pytest.mark.parametrize("kernel", [3, (1, 5)])
def test_same_padding(kernel):
    module = nn.Conv2d(1, 2, kernel, padding="same").double()
    exact = matrix(module, (1, 4, 5))
    assert math.isclose(lipschitz_bound(module, input_shape=(1, 4, 5)), exact.abs().sum(1).max(), rel_tol=1e-9)
    found = lipschitz_bound(module, norm="l2", input_shape=(1, 4, 5))
    assert math.isclose(found, torch.linalg.matrix_norm(exact, 2), rel_tol=1e-9)


@pytest.mark.parametrize(
    ("options", "excess"),
    [
        ({"kernel_size": 3, "padding": 1}, 1.03),
        ({"kernel_size": 3, "padding": 1, "stride": 2}, 1.03),
        ({"kernel_size": 3, "padding": 2, "dilation": 2}, 1.1),
        ({"kernel_size": 4, "stride": 2, "padding": 1, "groups": 2}, 1.05),
        ({"kernel_size": 1}, 1 + 1e-9),
        ({"kernel_size": 2, "stride": 2}, 1 + 1e-9),
    ],
)
def test_the_frequency_bound_is_a_few_percent_above_the_norm(options, excess, monkeypatch):
    module = nn.Conv2d(4, 6, **options).double()
    exact = float(torch.linalg.matrix_norm(matrix(module, (4, 14, 14)), 2))
    monkeypatch.setattr(rules, "_DENSE", 0)
    found = lipschitz_bound(module, norm="l2", input_shape=(4, 14, 14))
    assert exact * (1 - 1e-12) <= found <= excess * exact


def test_few_samples_stay_sound_where_many_channels_make_more_too_dear(monkeypatch):
    module = nn.Conv1d(2, 2, 3, padding=1).double()
    fine = rules.frequency_bound(module.weight.detach(), stride=(1,), dilation=(1,))
    monkeypatch.setattr(rules, "_WORK", 0)
    coarse = rules.frequency_bound(module.weight.detach(), stride=(1,), dilation=(1,))
    exact = float(torch.linalg.matrix_norm(matrix(module, (2, 60)), 2))
    assert exact <= fine <= coarse * (1 + 1e-3)
    assert coarse <= 1.05 * exact


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 4), st.integers(0, 10**6))
def test_between_the_frequencies_of_the_grid_the_response_is_no_larger(taps, seed):
    torch.manual_seed(seed)
    kernel = torch.randn(2, 2, taps).double()
    w = torch.linspace(0, math.pi, 5000).double()
    waves = torch.exp(-1j * w[:, None] * torch.arange(taps))
    responses = torch.einsum("oit,ft->foi", kernel.to(waves.dtype), waves)
    supremum = float(torch.linalg.matrix_norm(responses, 2).max())
    found = rules.frequency_bound(kernel, stride=(1,), dilation=(1,))
    assert supremum * (1 - 1e-12) <= found <= supremum * 1.006
