import math

import pytest
import torch
from torch import nn
from torch.nn import functional
from utils import trained
from utils.model_state import same, state_of

from ratlp.attacks import PGD
from ratlp.bounds import L2Ball, linear_margins
from ratlp.certificates import Effort, certify, linear_head_radius
from ratlp.errors import BoundError, InputError, SoundnessError

NETS = {"moons": (trained.moons, None), "digits": (trained.digits, (0, 1))}


def samples(data, n=60):
    part = trained.split(data)
    return part.x_test[:n], part.y_test[:n]


def run(data, *, n=60, **options):
    make, bounds = NETS[data]
    return certify(make(), *samples(data, n), bounds=bounds, **{"eps": [0.02, 0.05, 0.1], **options})


def worst_of(logits, y):
    """By how much the best wrong class leads."""
    own = logits.gather(1, y[:, None])[:, 0]
    return logits.scatter(1, y[:, None], -math.inf).amax(1) - own


def broken_by_points(g, z, y, radius, *, norm, bounds=None, draws=40):
    """Whether PGD with restarts, corners or random points at each sample's own radius change its class."""
    broken = torch.zeros(len(z), dtype=torch.bool)
    wide = radius.view(-1, *[1] * (z.dim() - 1)).to(z)

    def placed(direction):
        if norm == "l2":
            direction = direction / direction.flatten(1).norm(dim=1).clamp(min=1e-30).view_as(wide)
        point = z + wide * direction.clamp(-1, 1)
        return point if bounds is None else point.clamp(*bounds)

    for draw in range(draws):
        direction = torch.randn_like(z) if norm == "l2" else 2 * torch.rand_like(z) - 1
        corner = direction.sign()
        for start in (direction, corner):
            broken |= worst_of(g(placed(start)), y) > 0
        if draw < 4:
            direction = direction if norm == "linf" else 0.3 * torch.randn_like(z)
            for _ in range(50):
                leaf = placed(direction).detach().requires_grad_()
                (gradient,) = torch.autograd.grad(worst_of(g(leaf), y).sum(), leaf)
                step = gradient.sign() if norm == "linf" else gradient / gradient.flatten(1).norm(dim=1).view_as(wide)
                direction = (direction + 0.1 * step.nan_to_num()).clamp(-1, 1)
                broken |= worst_of(g(placed(direction)), y) > 0
    return broken


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("data", NETS)
def test_no_point_within_a_certified_radius_of_an_input_has_another_class(data, norm):
    found = run(data, norm=norm, eps=[0.05, 0.1])
    x, y = samples(data)
    net, bounds = NETS[data][0]().double(), NETS[data][1]
    try:
        sure = (found.radius > 0) & found.radius.isfinite()
        assert sure.sum() > 30
        broken = broken_by_points(net, x[sure].double(), y[sure], found.radius[sure], norm=norm, bounds=bounds)
    finally:
        net.float()
    assert not broken.any()


@pytest.mark.parametrize("layer", ["features.1", "features.3", "features.6"])
def test_no_latent_within_a_certified_radius_has_another_class(layer):
    net, (x, y) = trained.digits(), samples("digits")
    found = certify(net, x, y, eps=[0.05, 0.2], layer=layer)
    place = int(layer.rpartition(".")[2]) + 1
    net.double()
    try:
        z = net.features[:place](x.double().view(-1, 1, 8, 8)).detach()
        sure = (found.radius > 0) & found.radius.isfinite()
        assert sure.sum() > 30
        after = nn.Sequential(net.features[place:], net.classifier)
        assert not broken_by_points(after, z[sure], y[sure], found.radius[sure], norm="linf", draws=10).any()
    finally:
        net.float()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_closed_form_is_the_exact_distance(norm):
    net, (x, y) = trained.digits(), samples("digits")
    found = certify(net, x, y, eps=0.1, layer="features.6", norm=norm)
    assert set(found.method) <= {"closed-form", None}
    net.double()
    try:
        z = net.features(x.double().view(-1, 1, 8, 8)).detach()
        weight, bias = net.classifier.weight.detach(), net.classifier.bias.detach()
        for sample in found.correct.nonzero().flatten().tolist():
            own, radius = int(y[sample]), float(found.radius[sample])
            rows = weight[own] - weight
            sizes = rows.abs().sum(1) if norm == "linf" else rows.norm(dim=1)
            margins = rows @ z[sample] + bias[own] - bias
            nearest = min((c for c in range(10) if c != own), key=lambda c: float(margins[c] / sizes[c]))
            worst = rows[nearest].sign() if norm == "linf" else rows[nearest] / sizes[nearest]
            for share, changes in ((1 - 1e-9, False), (1 + 1e-9, True)):
                logits = weight @ (z[sample] - share * radius * worst) + bias
                assert (logits[nearest] > logits[own]) == changes
    finally:
        net.float()


def test_without_the_closed_form_intervals_reach_it_from_below():
    net, (x, y) = trained.digits(), samples("digits")
    exact = certify(net, x, y, eps=0.1, layer="features.6").radius
    found = certify(net, x, y, eps=0.1, layer="features.6", methods=["interval"]).radius
    assert (found <= exact).all()
    assert (found >= exact - 0.01 * exact.clamp(min=0.1)).all()


def test_each_sample_is_decided_at_the_very_eps():
    loose = run("digits", effort=Effort(tolerance=math.inf))
    fine = run("digits", effort=Effort(tolerance=0.001))
    for eps in (0.02, 0.05, 0.1):
        assert torch.equal(loose.certified(eps), fine.certified(eps))
    assert (fine.radius >= loose.radius).all()


def test_dearer_methods_get_what_is_left_and_only_add():
    cheap, both = run("digits", methods=["interval"]), run("digits", methods=["interval", "linear"])
    assert both.methods[1].samples == int((cheap.correct & (cheap.radius < 0.1)).sum())
    assert (both.radius >= cheap.radius).all()
    assert (both.radius > cheap.radius).any()
    assert {name for name in both.method if name} == {"interval", "linear"}


def test_batches_do_not_matter():
    whole, parts = run("digits"), run("digits", effort=Effort(batch_size=7))
    assert torch.allclose(whole.radius, parts.radius, atol=1e-12)


def test_bounds_cut_the_ball():
    x, y = samples("digits")
    cut, free = run("digits", methods=["interval"]), certify(trained.digits(), x, y, eps=0.1, methods=["interval"])
    assert (cut.radius >= free.radius).all()
    assert cut.radius.sum() > 1.05 * free.radius.sum()


def test_where_all_inputs_are_certified_the_radius_is_infinite():
    net = nn.Linear(2, 2)
    nn.init.zeros_(net.weight)
    net.bias.data = torch.tensor([1.0, 0.0])
    found = certify(net, torch.rand(3, 2), torch.tensor([0, 0, 1]), eps=0.1, bounds=(0, 1), methods=["interval"])
    assert found.radius.tolist() == [math.inf, math.inf, 0.0]


def test_the_attack_lies_between():
    found = run("digits", attack=PGD(steps=10))
    for point in found.curve:
        assert point.certified.correct <= point.robust.correct <= found.clean.correct
    again = run("digits", attack=PGD(steps=10))
    assert again.attack.broken_at == found.attack.broken_at
    assert found.attack.name == "PGD(steps=10, step_size=0.25)"


@pytest.mark.parametrize(("norm", "layer"), [("l2", "input"), ("linf", "encoder"), ("l2", "encoder")])
def test_the_attack_is_in_the_same_space(norm, layer):
    found = run("moons", eps=[0.1, 0.5], attack=PGD(steps=10), norm=norm, layer=layer)
    assert found.curve[1].robust.share < found.clean.share  # it does something


def test_a_certificate_that_is_wrong_is_caught_by_the_attack():
    from ratlp.certificates.methods import IntervalMethod

    class Wrong(IntervalMethod):
        name = "wrong"

        def margins(self, balls, eps):
            return super().margins(balls, eps / 4)

    with pytest.raises(SoundnessError, match="a certified sample must withstand every attack"):
        run("moons", eps=0.3, n=200, methods=[Wrong()], attack=PGD(steps=10))


def test_only_the_right_class_is_certified():
    net, (x, y) = trained.moons(), samples("moons")
    found = certify(net, x, 1 - y, eps=0.05)
    assert not (found.certified(0.0) & (net(x).argmax(1) == y)).any()


def test_the_model_is_left_as_it_was():
    net = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 2))
    x, y = samples("moons")
    net(x).sum().backward()

    before = state_of(net)
    certify(net, x, y, eps=0.1, attack=PGD(steps=3))
    assert same(before, state_of(net))

    def failing(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        certify(net, x, y, eps=0.1, progress=failing)
    assert same(before, state_of(net))


def test_compiled_modules_run_their_own_forward():
    def refuse(graph, inputs):
        raise AssertionError("compiled")

    net, (x, y) = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2)), samples("moons")
    expected = certify(net, x, y, eps=0.1).radius
    net[0].compile(backend=refuse)
    assert torch.equal(certify(net, x, y, eps=0.1).radius, expected)


def test_the_models_own_precision_can_be_asked_for():
    found = run("moons", effort=Effort(dtype=None), methods=["interval"])
    assert found.dtype == "float32"
    assert torch.allclose(found.radius, run("moons", methods=["interval"]).radius, atol=2e-3)


def test_progress_is_told_of_every_batch():
    steps = []
    run("digits", n=50, methods=["interval"], effort=Effort(batch_size=20), progress=steps.append)
    assert [step.done for step in steps] == [0, 20, 40, steps[-1].total]
    assert steps[0].certified == 0 < steps[-1].certified


class Sine(nn.Module):
    def forward(self, x):
        return torch.erfinv(x.clamp(-0.5, 0.5))


def test_a_refused_method_leaves_the_others_and_says_why():
    net = nn.Sequential(nn.Linear(2, 8), Sine(), nn.Linear(8, 2))
    found = certify(net, *samples("moons"), eps=0.1, layer="1")  # what comes before the latent needs no rule
    assert {name for name in found.method if name} == {"closed-form"}
    found = certify(net, *samples("moons"), eps=0.1, layer="1", methods=["lipschitz", "interval"])
    assert "clamp" in found.methods[0].refused
    assert found.methods[1].refused is None
    assert {name for name in found.method if name} == {"interval"}
    with pytest.raises(BoundError, match=r"no method can certify this model. closed-form: .*interval: .*erfinv.*Sine"):
        certify(net, *samples("moons"), eps=0.1, methods=["closed-form", "interval"])


def test_batchnorm_without_statistics_is_refused():
    net = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8, track_running_stats=False), nn.Linear(8, 2))
    with pytest.raises(BoundError, match="logits depend on the sample alone"):
        certify(net, *samples("moons"), eps=0.1)


class Noisy(nn.Module):
    def forward(self, x):
        return functional.dropout(x, 0.5, training=True)


def test_a_random_model_is_refused():
    with pytest.raises(BoundError, match="same logits each time"):
        certify(nn.Sequential(Noisy(), nn.Linear(2, 2)), *samples("moons"), eps=0.1)


class Fixed(nn.Module):
    def forward(self, x):
        return functional.linear(x, torch.ones(2, 2, dtype=torch.float32))


def test_a_model_of_a_fixed_precision_says_so():
    with pytest.raises(InputError, match=r"must compute in torch.float64 .* dtype=torch.float32"):
        certify(Fixed(), *samples("moons"), eps=0.1)
    certify(Fixed(), *samples("moons"), eps=0.1, effort=Effort(dtype=None), methods=["interval"])


def test_l2_balls_of_different_radii_bound_as_each_alone():
    net, z = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4)), torch.rand(5, 3)
    y, radii = torch.tensor([0, 1, 2, 3, 0]), torch.tensor([0.0, 0.1, 0.2, 0.4, 0.8])
    together = linear_margins(net, L2Ball(z, radii, bounds=(0, 1)), y)
    for i in range(5):
        alone = linear_margins(net, L2Ball(z[i : i + 1], float(radii[i]), bounds=(0, 1)), y[i : i + 1])
        assert torch.allclose(together[i : i + 1], alone, atol=1e-6)
    with pytest.raises(InputError, match=r"radius must be finite and >= 0; found -0.1 to 0.7"):
        L2Ball(z, radii - 0.1)


def test_intervals_do_not_serve_l2():
    with pytest.raises(BoundError, match="'interval' serves balls of the norm 'linf'; found 'l2'"):
        run("moons", norm="l2", methods=["interval"])


def test_one_linear_layer_is_exact_in_the_input_where_nothing_cuts_the_ball():
    net, (x, y) = nn.Linear(2, 2), samples("moons")
    found = certify(net, x, y, eps=0.1)
    expected = linear_head_radius(net.weight, net.bias, x.double(), y)
    right = found.correct
    assert torch.allclose(found.radius[right], expected[right], rtol=1e-12)
    cut = certify(nn.Linear(2, 2), x.clamp(0, 1), y, eps=0.1, bounds=(0, 1))
    assert any(run.samples for run in cut.methods[1:])  # bounds may allow more than the closed form
