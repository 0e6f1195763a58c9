"""Arithmetic between intervals and ordinary tensors of any type, called in any form."""

import pytest
import torch
from torch.nn import functional

from ratlp.bounds import Interval
from ratlp.errors import BoundError

WHOLE = [
    torch.tensor([1, 100, 255], dtype=torch.uint8),
    torch.tensor([-128, 127, 1], dtype=torch.int8),
    torch.tensor([torch.iinfo(torch.int64).min, -1, 7]),
]
CALLS = {
    "plus": lambda x, n: x + n,
    "minus": lambda x, n: x - n,
    "from": lambda x, n: n - x,
    "times": lambda x, n: n * x,
    "by": lambda x, n: x / n,
    "plus three times": lambda x, n: torch.add(x, n, alpha=3),
    "minus three times": lambda x, n: torch.sub(x, n, alpha=3),
    "plus a product": lambda x, n: torch.addcmul(x, n, n),
    "minus, in place": lambda x, n: x.clone().sub_(n),
}


@pytest.mark.parametrize("numbers", WHOLE, ids=lambda numbers: str(numbers.dtype))
@pytest.mark.parametrize("name", CALLS)
def test_whole_numbers_do_not_wrap(name, numbers):
    x = torch.tensor([3.0, -1.0, 0.5])
    lower, upper = CALLS[name](Interval(x - 0.1, x + 0.1), numbers).bounds
    assert (lower <= upper).all()
    for share in torch.linspace(-0.1, 0.1, 5):
        found = CALLS[name](x + share, numbers)
        slack = 1e-5 * (1 + found.abs())
        assert (lower - slack <= found).all()
        assert (found <= upper + slack).all()
    assert (upper - lower <= 0.2 * numbers.double().abs().clamp(min=1) * 1.01 + 1e-4 * upper.abs()).all()


def test_an_interval_by_keyword_where_its_rule_expects_a_number_is_refused():
    box = Interval(torch.zeros(3), torch.ones(3))
    for call in (
        lambda: torch.clamp(input=torch.zeros(3), min=box),
        lambda: functional.prelu(input=torch.zeros(1, 3), weight=box),
    ):
        with pytest.raises(BoundError, match="takes one interval, as its first argument"):
            call()
    assert torch.equal(torch.clamp(input=box, min=0.5).lower, torch.full((3,), 0.5))


@pytest.mark.parametrize("dtype", [torch.float64, "torch.DoubleTensor", torch.DoubleTensor])
def test_types_by_any_name(dtype):
    assert Interval(torch.zeros(3), torch.ones(3)).type(dtype).upper.dtype == torch.float64


def test_a_type_that_is_no_floating_one_is_refused():
    with pytest.raises(BoundError, match=r"found a conversion to torch\.int32"):
        Interval(torch.zeros(3), torch.ones(3)).type("torch.IntTensor")


@pytest.mark.parametrize("equation", ["ij->ji", "ii->i", "ij->ij"])
def test_a_view_by_einsum_is_a_view(equation):
    x = Interval(torch.zeros(2, 2), torch.ones(2, 2))
    view = torch.einsum(equation, x)
    view += 1
    with pytest.raises(BoundError, match="one of its views"):
        x + 1


@pytest.mark.parametrize("norm", [torch.nn.GroupNorm(1, 4), torch.nn.InstanceNorm1d(4)])
def test_norms_of_no_samples(norm):
    empty = torch.zeros(0, 4, 3)
    assert norm(Interval(empty, empty)).shape == (0, 4, 3)
