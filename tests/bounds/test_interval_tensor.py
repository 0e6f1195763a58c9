import pytest
import torch
from torch import nn

from ratlp.bounds import Interval, interval_between
from ratlp.errors import BoundError, InputError


def box() -> Interval:
    x = torch.linspace(-1, 1, 12, dtype=torch.float64).view(3, 4)
    return Interval(x - 0.5, x + 0.25)


def test_bounds_and_ball_say_the_same():
    x = box()
    again = Interval.of_ball(x.centre, x.radius)
    torch.testing.assert_close(again.lower, x.lower)
    torch.testing.assert_close(again.upper, x.upper)


def test_a_ball_does_not_overflow_where_its_ends_do_not():
    x = Interval(torch.tensor([40_000.0]).half(), torch.tensor([60_000.0]).half())
    assert x.centre.item() == pytest.approx(50_000, rel=1e-3)


@pytest.mark.parametrize(
    ("lower", "upper", "message"),
    [
        (torch.zeros(2), torch.ones(3), "one shape"),
        (torch.zeros(2), torch.ones(2).double(), "one dtype"),
        (torch.zeros(2).int(), torch.ones(2).int(), "floating"),
        (torch.ones(2), torch.zeros(2), "larger by 1"),
        (torch.tensor([torch.nan]), torch.zeros(1), "not a number"),
    ],
)
def test_checked_bounds(lower, upper, message):
    with pytest.raises(InputError, match=message):
        interval_between(lower, upper)


def test_what_code_asks_about_a_tensor():
    x = box()
    assert (x.shape, x.size(0), x.dim(), x.ndim, len(x), x.numel()) == ((3, 4), 3, 2, 2, 3, 12)
    assert x.dtype == torch.float64
    assert x.device.type == "cpu"
    assert x.is_floating_point()
    assert torch.zeros(1, device=x.device, dtype=x.dtype).dtype == torch.float64
    assert "lower=" in repr(x)
    assert "upper=" in str(x)


@pytest.mark.parametrize(
    "ask",
    [
        lambda x: float(x[0, 0]),
        lambda x: x.sum().item(),
        lambda x: x.numpy(),
        lambda x: x.tolist(),
        lambda x: bool(x[0, 0]),
        lambda x: x > 0,
        lambda x: x[0, 0] == 0,
        lambda x: x.argmax(1),
        lambda x: x.long(),
    ],
)
def test_an_interval_has_no_one_value(ask):
    with pytest.raises(BoundError, match="no single value"):
        ask(box())


class Inner(nn.Module):
    def forward(self, x):
        return torch.fft.fft(x)


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([nn.Linear(4, 4).double(), Inner()])

    def forward(self, x):
        return (lambda z: self.parts[1](z))(self.parts[0](x))


def test_the_error_names_the_function_and_the_module():
    with pytest.raises(BoundError, match=r"fft, called in Inner 'parts\.1'"):
        Outer()(box())
    with pytest.raises(BoundError, match="called in Inner: register"):
        Inner()(box())
    with pytest.raises(BoundError, match="outside any module"):
        torch.fft.fft(box())


@pytest.mark.parametrize(
    "call",
    [
        lambda x: torch.relu(x).scatter(1, torch.zeros(3, 1, dtype=torch.long), x),
        lambda x: torch.ones(3, 4).double().prelu(x),
        lambda x: torch.clamp(x, min=x),
        lambda x: torch.ones(3, 4).double().masked_fill_(x, 0.0),
        lambda x: torch.add(x, 1, out=torch.empty(3, 4).double()),
        lambda x: torch.div(x, 2, rounding_mode="floor"),
        lambda x: torch.zeros(3, 4).double().add_(x),
        lambda x: torch.zeros(3, 4).double().__setitem__(0, x[0]),
        lambda x: torch.einsum("ij,ij,ij->i", x, x, x),
        lambda x: x.to(torch.int64),
        lambda x: x.sum(1, dtype=torch.int64),
        lambda x: x.cumsum(1, dtype=torch.int64),
        lambda x: x / x,
        lambda x: x**0.5,
        lambda x: (-2) ** x,
        lambda x: x.sort(1)[1] + 1,
        lambda x: x.max(1).indices.unique(),
        lambda x: nn.functional.max_pool1d(x, 2, return_indices=True)[1] * 2,
        lambda x: nn.functional.interpolate(x[None, None], scale_factor=2, mode="bicubic"),
        lambda x: nn.functional.leaky_relu(x, -0.1),
        lambda x: nn.functional.leaky_relu_(x, -0.1),
        lambda x: nn.functional.rrelu(x, -0.5, -0.3),
        lambda x: nn.functional.rrelu_(x, training=True),
        lambda x: nn.functional.threshold(x, 0.0, 1.0),
        lambda x: nn.functional.avg_pool2d(x[None], 2, divisor_override=-1),
        lambda x: nn.LSTM(4, 2).double()(x),
        lambda x: nn.functional.normalize(x, p=1),
        lambda x: nn.functional.alpha_dropout(x, 0.5, training=True),
    ],
)
def test_what_has_no_bound_is_refused(call):
    with pytest.raises(BoundError):
        call(box())


@pytest.mark.parametrize(
    "function", [torch.sum, torch.amax, torch.cumsum, torch.tril, torch.linalg.vector_norm, torch.add]
)
def test_a_tensor_that_is_to_hold_the_result_would_hold_one_bound(function):
    with pytest.raises(BoundError, match=r"found out= in a call of torch\..*: take what the function returns"):
        function(box(), 1, out=torch.empty(0).double())


def test_tensors_that_are_to_hold_values_and_indices():
    with pytest.raises(BoundError, match=r"found out= in a call of torch\.sort"):
        torch.sort(box(), 1, out=(torch.empty(0).double(), torch.empty(0).long()))


class TestInPlace:
    def test_takes_the_new_bounds(self):
        x = box()
        y = x
        y += 1
        torch.testing.assert_close(x.lower, box().lower + 1)

    def test_keeps_the_dtype(self):
        x = Interval(torch.zeros(2), torch.ones(2))
        x += torch.ones(2).double()
        assert x.dtype == x.lower.dtype == torch.float32

    def test_does_not_touch_the_given_bounds(self):
        lower = torch.full((2,), -5.0)
        x = Interval(lower, torch.ones(2))
        for inplace in (nn.ReLU6(True), nn.Hardtanh(inplace=True), nn.ELU(inplace=True), nn.SELU(True), nn.ReLU(True)):
            inplace(x)
        assert torch.equal(lower, torch.full((2,), -5.0))
        assert (x.lower == 0).all()

    def test_a_view_can_be_changed_where_its_base_is_not_used_again(self):
        x = box()
        flat = x.view(-1).relu_()
        torch.testing.assert_close(flat.upper, box().upper.relu().view(-1))
        with pytest.raises(BoundError, match="one of its views"):
            x + 1

    def test_a_view_is_lost_when_its_base_changes(self):
        x = box()
        row, halves = x[0], x.chunk(2, 1)
        x.mul_(2)
        torch.testing.assert_close(x.upper, 2 * box().upper)
        for view in (row, *halves):
            with pytest.raises(BoundError, match="one of its views"):
                torch.relu(view)

    def test_a_copy_is_not_lost(self):
        x = box()
        copy = x.clone()
        x.mul_(2)
        torch.testing.assert_close(copy.lower, box().lower)

    def test_the_shape_stays(self):
        with pytest.raises(BoundError, match="keep the shape"):
            box()[0].add_(torch.ones(3, 4))

    def test_dropout_in_evaluation_changes_nothing(self):
        x = box()
        row = x[0]
        nn.functional.dropout(x, 0.5, training=False, inplace=True)
        assert row.lower.shape == (4,)


def test_dropout_draws_one_mask_for_the_box():
    torch.manual_seed(0)
    found = nn.Dropout(0.5)(Interval(torch.ones(100), 2 * torch.ones(100)))
    assert set(found.lower.tolist()) == {0.0, 2.0}
    torch.testing.assert_close(found.upper, 2 * found.lower)


def test_views_of_bounds_that_lie_differently_in_memory():
    upper = torch.ones(1, 1).expand(3, 4)
    assert Interval(torch.zeros(3, 4), upper).view(2, 6).upper.shape == (2, 6)


@pytest.mark.parametrize(
    "function",
    [torch.sign, torch.relu, torch.tanh, nn.functional.hardshrink, nn.functional.gelu, torch.abs, nn.functional.relu6],
)
def test_what_is_not_known_stays_so(function):
    x = Interval(torch.tensor([torch.nan]), torch.tensor([torch.nan]))
    assert function(x).lower.isnan()
    assert function(x).upper.isnan()


def test_ordering_with_an_unknown_bound_says_nothing():
    x = Interval(torch.tensor([torch.nan, 0.0]), torch.tensor([1.0, 1.0]))
    assert torch.sort(x).values.lower.isnan().all()


def test_infinite_bounds_are_kept_or_become_unknown():
    x = torch.exp(Interval(torch.tensor([0.0]), torch.tensor([1000.0])))
    assert (x * 2).bounds == (2.0, torch.inf)
    unknown = nn.functional.linear(x, torch.tensor([[-1.0]]))
    assert not bool(unknown.lower > -torch.inf)


def test_code_that_no_rule_sees_is_refused():
    with pytest.raises(BoundError, match="bypasses"), torch._C.DisableTorchFunctionSubclass():
        torch.fft.fft(Interval(torch.zeros(2), torch.ones(2)))
