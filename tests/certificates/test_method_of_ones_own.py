"""A way to certify that a caller adds: a subclass of `Searched`, known by its margins alone."""

import pytest
import torch
from torch import nn

from ratlp.certificates import METHODS, Effort, Searched, certify, linear_head_radius
from ratlp.errors import BoundError


class OneLayer(Searched):
    """The exact margins of one linear layer: z_y - z_j - eps * ||w_y - w_j||, the dual norm."""

    name = "one-layer"

    def __init__(self, layer):
        self.layer = layer

    def margins(self, balls, eps):
        between = self.layer.weight[balls.y][:, None] - self.layer.weight
        logits = balls.rest(balls.points)
        lengths = between.norm(p=1 if balls.space.norm == "linf" else 2, dim=2)
        return logits.gather(1, balls.y[:, None]) - logits - eps[:, None] * lengths


class OfBalls(OneLayer):
    name = "of-balls"
    norms = ("l2",)


@pytest.fixture
def subject():
    torch.manual_seed(0)
    net, x = nn.Linear(3, 4, bias=False).double(), torch.randn(20, 3, dtype=torch.float64)
    with torch.no_grad():
        return net, x, net(x).argmax(1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_largest_ball_is_found_from_margins_alone(subject, norm):
    net, x, y = subject
    found = certify(net, x, y, eps=0.1, norm=norm, methods=[OneLayer(net)], effort=Effort(tolerance=1e-6))
    exact = linear_head_radius(net.weight, None, x, y, norm=norm)
    assert torch.allclose(found.radius, exact, rtol=1e-5, atol=1e-6)
    assert (found.radius <= exact).all()
    assert found.method == ("one-layer",) * 20


def test_it_runs_after_the_methods_that_have_names(subject):
    found = certify(*subject, eps=0.1, methods=[OneLayer(subject[0]), "interval"])
    assert [run.name for run in found.methods] == ["interval", "one-layer"]


class Catching(nn.Module):
    """Scales its logits by the largest input, which bounds have not, so that it does without."""

    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 4, bias=False)

    def forward(self, x):
        try:
            largest = float(x.abs().max())
        except NotImplementedError:
            largest = 0.1
        return self.lin(x) / largest


@pytest.mark.parametrize("methods", [["interval"], ["linear"]])
def test_bounds_of_something_else_than_the_model_are_refused(subject, methods):
    net, x, y = subject
    model = Catching().double()
    model.lin.weight = net.weight
    with pytest.raises(BoundError, match="must hold for its centre; found margins above the model's own there, by"):
        certify(model, x[:1], y[:1], eps=0.01, methods=methods)


@pytest.mark.parametrize("offset", [1e4, 1e6])
def test_rounding_of_large_logits_is_no_contradiction(subject, offset):
    class Raised(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.outer = nn.Linear(3, 16), nn.Linear(16, 4)

        def forward(self, x):
            return self.outer(torch.relu(self.inner(x))) + offset

    model, x = Raised(), subject[1].float()
    with torch.no_grad():
        y = model(x).argmax(1)
    effort = Effort(dtype=torch.float32, batch_size=1)
    found = certify(model, x, y, eps=1e-3, methods=["interval", "linear"], effort=effort)
    assert [run.refused for run in found.methods] == [None, None]


def test_a_wrong_method_is_refused(subject):
    class Wrong(OneLayer):
        def margins(self, balls, eps):
            return super().margins(balls, eps) + 0.5

    found = certify(*subject, eps=0.1, methods=["interval", Wrong(subject[0])])
    assert found.methods[0].refused is None
    assert "found margins above the model's own there, by 0.4" in found.methods[1].refused


def test_a_wrong_method_shows_beside_samples_of_larger_margins(subject):
    net, x, y = subject

    class Wrong(OneLayer):
        def margins(self, balls, eps):
            return super().margins(balls, eps) + 0.01 * (balls.y == y[0])[:, None]

    scaled = torch.cat([x[:1], 1e4 * x[1:]])
    with pytest.raises(BoundError, match="found margins above the model's own there"):
        certify(net, scaled, y, eps=1e-6, methods=[Wrong(net)])


def test_margins_beyond_all_numbers_prove_nothing(subject):
    class Overflowing(OneLayer):
        def margins(self, balls, eps):
            return torch.full_like(super().margins(balls, eps), torch.inf)

    found = certify(*subject, eps=0.1, methods=[Overflowing(subject[0])])
    assert found.methods[0].refused is None
    assert (found.radius == 0).all()


def test_a_norm_that_it_does_not_serve_is_refused_with_the_reason(subject):
    refusal = "the method 'of-balls' serves balls of the norm 'l2'; found 'linf'"
    found = certify(*subject, eps=0.1, methods=["interval", OfBalls(subject[0])])
    assert [run.refused for run in found.methods] == [None, refusal]
    with pytest.raises(BoundError, match=refusal):
        certify(*subject, eps=0.1, methods=[OfBalls(subject[0])])


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_by_default_all_methods_that_serve_the_norm_run(subject, norm):
    net, x, y = subject
    found = certify(nn.Sequential(net, nn.ReLU()), x, y, eps=0.01, norm=norm)
    assert [run.name for run in found.methods] == [name for name, one in METHODS.items() if norm in one.norms]
    assert {run.refused for run in found.methods if run.name != "closed-form"} == {None}
