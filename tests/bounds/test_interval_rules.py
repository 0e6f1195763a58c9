import pytest
import torch
from torch import Tensor
from utils.rule_cases import CASES, cases_of
from utils.rule_points import boxes, climbed_excess, leaves, points, random_excess

from ratlp.bounds import Interval, interval_rule
from ratlp.bounds.interval import tensor
from ratlp.bounds.names import name_of
from ratlp.errors import BoundError

NO_NUMBERS = {"torch.Tensor.cuda"}  # what only a GPU can show
# What a device without it computes in another precision than the bounds.
HALVES = {"torch.Tensor.half": 2e-3, "torch.Tensor.bfloat16": 2e-2, "torch.Tensor.float": 1e-6}
RULES = {name_of(function): function for function in tensor.RULES}
NAMES = sorted(name for name in RULES if cases_of(name) and name not in NO_NUMBERS)
# One name for each rule and the calls of it: many methods share both with the function of their name.
DISTINCT = sorted({(tensor.RULES[RULES[name]], id(cases_of(name))): name for name in NAMES}.values())


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
            assert random_excess(RULES[name], call, 30, width=width) <= tolerance


@pytest.mark.slow
@pytest.mark.parametrize("name", DISTINCT)
def test_ten_thousand_points_stay_within_the_bounds(name):
    """At random for each call, 2,500 in boxes of each width; and 2,800 more that 400 climbs come by."""
    tolerance = HALVES.get(name, 1e-9)
    for call in cases_of(name):
        for seed, width in enumerate((0.01, 0.3, 1.0, 3.0)):
            assert random_excess(RULES[name], call, 2_500, width=width, seed=seed) <= tolerance
            assert climbed_excess(RULES[name], call, 100, width=width, seed=seed) <= tolerance


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


@pytest.mark.parametrize("name", NAMES)
def test_the_bounds_of_one_point_have_the_functions_gradient(name):
    """As where a ramp of eps starts, and at coordinates that nothing perturbs."""
    tolerance = HALVES.get(name, 1e-9)
    for call in cases_of(name):
        point = [box.lower.clone().requires_grad_() for box in boxes(0, 0.0)]
        bounds = leaves(call(RULES[name], *(Interval(x, x) for x in point)))
        values = leaves(call(RULES[name], *point))
        for bound, value in zip(bounds, values, strict=True):
            if isinstance(bound, Interval) and value.requires_grad:
                expected, lower, upper = (gradients(end, point) for end in (value, *bound.bounds))
                torch.testing.assert_close(lower, expected, rtol=tolerance, atol=max(1e-7, tolerance))
                torch.testing.assert_close(upper, expected, rtol=tolerance, atol=max(1e-7, tolerance))


def gradients(output: Tensor, point: list[Tensor]) -> tuple[Tensor, ...]:
    """Of a sum in which no two coordinates weigh the same."""
    weights = torch.arange(1.0, output.numel() + 1, dtype=output.dtype).cos().view_as(output)
    return torch.autograd.grad(
        (weights * output).sum(), point, allow_unused=True, materialize_grads=True, retain_graph=True
    )


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
    assert random_excess(function, cases_of(name_of(function))[0], 60, width=1.5) > 1e-3


@pytest.mark.parametrize("function", [torch.sum, torch.linalg.vector_norm])
def test_a_climb_finds_what_random_points_miss(function, monkeypatch):
    """A lower end that is taken at one vertex alone, or at one point inside alone."""
    right, call = tensor.RULES[function], cases_of(name_of(function))[0]

    def narrow(input, **options):
        lower, upper = right(input, **options).bounds
        return Interval(torch.lerp(lower, upper, 0.03), upper)

    monkeypatch.setitem(tensor.RULES, function, narrow)
    assert random_excess(function, call, 100, width=3.0) == 0
    assert climbed_excess(function, call, 10, width=3.0) > 0.01


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
