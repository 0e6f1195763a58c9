import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves
from utils.rule_cases import CASES, cases_of

from ratlp.bounds import Interval, interval_rule
from ratlp.bounds.interval import tensor
from ratlp.bounds.interval.order import UndeterminedIndices
from ratlp.bounds.names import name_of
from ratlp.errors import BoundError

NO_NUMBERS = {"torch.Tensor.cuda"}  # what only a GPU can show
# What a device without it computes in another precision than the bounds.
HALVES = {"torch.Tensor.half": 2e-3, "torch.Tensor.bfloat16": 2e-2, "torch.Tensor.float": 1e-6}
RULES = {name_of(function): function for function in tensor.RULES}
NAMES = sorted(name for name in RULES if cases_of(name) and name not in NO_NUMBERS)
# A method and the function of its name have one rule.
DISTINCT = sorted({name.rpartition(".")[2]: name for name in NAMES if ".where" not in name}.values())


def boxes(seed: int, width: float) -> tuple[Interval, Interval]:
    generator = torch.Generator().manual_seed(seed)

    def box() -> Interval:
        centre, radius = torch.randn(3, 4, generator=generator), width * torch.rand(3, 4, generator=generator)
        radius[0, 0] = 0.0  # a point
        return Interval(centre.double() - radius.double(), centre.double() + radius.double())

    return box(), box()


def leaves(output: object) -> list[Tensor]:
    found = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
    return [leaf for leaf in found if type(leaf) is not UndeterminedIndices and leaf.is_floating_point()]


def points(box: Interval, count: int, generator: torch.Generator) -> Tensor:
    """Uniform ones, vertices, and mixtures of both: `[count, *shape]`."""
    shape = (count, *box.shape)
    uniform = torch.rand(shape, generator=generator, dtype=box.dtype)
    vertices = (uniform > 0.5).double()
    keep = torch.rand(shape, generator=generator) < torch.tensor([0.0, 0.5, 1.0]).repeat(count)[:count].view(-1, 1, 1)
    return box.lower + torch.where(keep, uniform, vertices) * (box.upper - box.lower)


def excess(function, call, count: int, *, width: float, seed: int = 0) -> float:
    """How far the function's values at points leave its rule's bounds, relative to their size."""
    x, y = boxes(seed, width)
    bounds = leaves(call(function, x, y))
    assert any(isinstance(bound, Interval) for bound in bounds)
    generator = torch.Generator().manual_seed(seed + 1)
    worst = 0.0
    for point in zip(points(x, count, generator), points(y, count, generator), strict=True):
        values = leaves(call(function, *point))
        assert len(values) == len(bounds)
        for bound, value in zip(bounds, values, strict=True):
            assert (bound.shape, bound.dtype) == (value.shape, value.dtype)
            if not isinstance(bound, Interval):
                continue
            outside = torch.maximum(bound.lower - value, value - bound.upper)
            worst = max(worst, float((outside / (1 + value.abs())).nan_to_num(nan=torch.inf).max()))
    return worst


def test_every_rule_has_a_case():
    """A new rule comes with a call that holds it against points."""
    known = {name for name in RULES if cases_of(name)} | NO_NUMBERS
    own = {name for name, function in RULES.items() if "torch" not in getattr(function, "__module__", "torch")}
    assert set(RULES) - own <= known


def test_every_case_belongs_to_a_rule():
    used = {name for name in CASES if any(CASES[name] is cases_of(rule_name) for rule_name in RULES)}
    assert set(CASES) == used


@pytest.mark.parametrize("name", NAMES)
def test_points_stay_within_the_bounds(name):
    tolerance = HALVES.get(name, 1e-9)
    for call in cases_of(name):
        for width in (0.1, 1.5):
            assert excess(RULES[name], call, 6, width=width) <= tolerance


@pytest.mark.slow
@pytest.mark.parametrize("name", DISTINCT)
def test_ten_thousand_points_stay_within_the_bounds(name):
    tolerance, calls, widths = HALVES.get(name, 1e-9), cases_of(name), (0.01, 0.3, 1.0, 3.0)
    count = 10_000 // (len(calls) * len(widths)) + 1
    for call in calls:
        for seed, width in enumerate(widths):
            assert excess(RULES[name], call, count, width=width, seed=seed) <= tolerance


@pytest.mark.parametrize("name", NAMES)
def test_a_box_of_one_point_gives_the_functions_value(name):
    tolerance = HALVES.get(name, 1e-9)
    x, y = boxes(0, 0.0)
    for call in cases_of(name):
        bounds, values = leaves(call(RULES[name], x, y)), leaves(call(RULES[name], x.lower, y.lower))
        for bound, value in zip(bounds, values, strict=True):
            if isinstance(bound, Interval):
                torch.testing.assert_close(bound.lower, value, rtol=tolerance, atol=1e-7)
                torch.testing.assert_close(bound.upper, value, rtol=tolerance, atol=1e-7)


def test_topk_without_an_order_is_refused_since_its_bounds_would_not_belong_together():
    def six(x: Tensor) -> Tensor:
        return torch.topk(x.flatten(), 6, sorted=False).values

    box = boxes(0, 1.0)[0]
    lower, upper = map(six, box.bounds)
    found = map(six, points(box, 50, torch.Generator().manual_seed(0)))
    assert any(bool(((values < lower) | (values > upper)).any()) for values in found)
    with pytest.raises(BoundError, match="found sorted=False: leave it out"):
        six(box)


WRONG = {
    "linear without absolute weights": (
        torch.nn.functional.linear,
        lambda input, weight, bias=None: Interval(input.lower @ weight.T, input.upper @ weight.T),
    ),
    "another lowest point of GELU": (
        torch.nn.functional.gelu,
        lambda input, approximate="none": Interval(
            torch.nn.functional.gelu(input.lower), torch.nn.functional.gelu(input.upper)
        ),
    ),
    "the product of the ends alone": (
        torch.mul,
        lambda a, b: Interval(*(u * v for u, v in zip(_ends(a), _ends(b), strict=True))),
    ),
    "LayerNorm with the centre's deviation": (
        torch.layer_norm,
        lambda input, shape, weight=None, bias=None, eps=1e-5, cudnn=True: Interval(
            *(torch.layer_norm(x, shape, weight, bias, eps) for x in input.bounds)
        ),
    ),
    "softmax of the bounds": (torch.softmax, lambda input, dim: Interval(*(x.softmax(dim) for x in input.bounds))),
}


def _ends(x):
    return x.bounds if isinstance(x, Interval) else (x, x)


@pytest.mark.parametrize("wrong", sorted(WRONG))
def test_a_wrong_rule_is_caught(wrong, monkeypatch):
    function, mistake = WRONG[wrong]
    monkeypatch.setitem(tensor.RULES, function, mistake)
    monkeypatch.setattr(tensor, "TAKE_INTERVALS_ANYWHERE", {*tensor.TAKE_INTERVALS_ANYWHERE, function})
    assert excess(function, cases_of(name_of(function))[0], 60, width=1.5) > 1e-3


def test_a_rule_for_an_own_function():
    @torch.overrides.wrap_torch_function(lambda x: (x,))
    def double_or_nothing(x: Tensor) -> Tensor:
        return 2 * x.clamp(min=0)

    with pytest.raises(BoundError, match="there is none for double_or_nothing"):
        double_or_nothing(Interval(torch.zeros(1), torch.ones(1)))
    interval_rule(double_or_nothing)(lambda x: Interval(double_or_nothing(x.lower), double_or_nothing(x.upper)))
    assert double_or_nothing(Interval(-torch.ones(1), torch.ones(1))).bounds == (0.0, 2.0)


def test_an_own_function_that_takes_intervals_anywhere():
    @torch.overrides.wrap_torch_function(lambda a, b: (a, b))
    def swapped_difference(a: Tensor, b: Tensor) -> Tensor:
        return b - a

    @torch.overrides.wrap_torch_function(lambda a, b: (a, b))
    def difference(a: Tensor, b: Tensor) -> Tensor:
        return a - b

    interval_rule(swapped_difference, anywhere=True)(lambda a, b: b - a)
    interval_rule(difference)(lambda a, b: a - b)
    box = Interval(torch.zeros(1), torch.ones(1))
    assert swapped_difference(torch.ones(1), box).bounds == (-1.0, 0.0)
    with pytest.raises(BoundError, match="the interval rule of difference takes one interval, as its first argument"):
        difference(torch.ones(1), box)
