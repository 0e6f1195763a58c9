"""A certificate says that no attack succeeds: 1,000 points, strong attacks at each sample's own certified radius."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from utils import trained
from utils.linear_soundness import Residual

from ratlp.attacks import APGD, PGD, ClassifierProblem
from ratlp.bounds import SlopeAscent
from ratlp.certificates import Effort, certify
from ratlp.certificates.methods import LinearMethod
from ratlp.data import load_source
from ratlp.perturbations import L2, LInf


def thousand(data):
    source = load_source(data)
    split = source.draw(0)
    x, y = torch.cat([split.x_test, split.x_train]), torch.cat([split.y_test, split.y_train])
    return x[:1000], y[:1000], source.bounds


def attacked(g, z, y, ball, radius):
    """What PGD-50 with 5 restarts and APGD misclassify at the samples' own radii, a share below them for rounding."""
    wide = (radius * (1 - 1e-9)).view(-1, *[1] * (z.dim() - 1))
    unit = ball(1.0)  # the problem is posed in units of each radius

    def logits_at(deltas, rows):
        return g(rows, z[rows] + wide[rows] * deltas[0])

    problem = ClassifierProblem(logits_at, y, [torch.zeros_like(z)], [unit])
    for attack in (PGD(steps=50, restarts=5), APGD(steps=50)):
        problem.attacked_by(attack)
    return problem.misclassified


def check_on_the_input(net, x, y, bounds, *, norm, methods=None):
    """Certify the samples in the input, and attack them at their radii."""
    effort = Effort(tolerance=0.1)
    found = certify(net, x, y, eps=[0.02, 0.1], norm=norm, bounds=bounds, effort=effort, methods=methods)
    sure = (found.radius > 0) & found.radius.isfinite()
    assert sure.sum() > 500

    def g(rows, points):
        return net(points if bounds is None else points.clamp(*bounds))

    net.double()
    try:
        ball = {"linf": LInf, "l2": L2}[norm]
        assert not attacked(g, x[sure].double(), y[sure], ball, found.radius[sure]).any()
        # The attacks are strong enough to tell: at ten times the radii they succeed.
        assert attacked(g, x[sure].double(), y[sure], ball, 10 * found.radius[sure]).float().mean() > 0.5
    finally:
        net.float()


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("certified", [True, False])
@pytest.mark.parametrize("data", ["moons", "digits"])
def test_no_attack_on_the_input_breaks_a_certificate(data, certified, norm):
    check_on_the_input(getattr(trained, data)(certified=certified), *thousand(data), norm=norm)


CROWN_IBP = LinearMethod(intermediate="interval")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "norm", "method"),
    [
        *[("moons", norm, method) for norm in ("linf", "l2") for method in (CROWN_IBP, LinearMethod(SlopeAscent(5)))],
        ("digits", "linf", CROWN_IBP),
        ("digits", "l2", LinearMethod(SlopeAscent(3), intermediate="interval")),
    ],
    ids=str,
)
def test_no_attack_breaks_a_certificate_by_crown_ibp_or_chosen_slopes(data, norm, method):
    check_on_the_input(getattr(trained, data)(), *thousand(data), norm=norm, methods=[method])


@pytest.mark.slow
def test_no_attack_breaks_a_certificate_of_a_residual_net_by_crown_ibp():
    """With BatchNorm, on the digits by their remainder of 4: of the classes that the net gives, right or wrong."""
    torch.manual_seed(0)
    x, y, bounds = thousand("digits")
    net = nn.Sequential(nn.Unflatten(1, (1, 8, 8)), Residual(1, 3, 2, 1))
    optimiser = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(100):
        optimiser.zero_grad()
        cross_entropy(net(x), y % 4).backward()
        optimiser.step()
    classes = net.eval()(x).argmax(1)
    assert len(classes.unique()) == 4
    check_on_the_input(net, x, classes, bounds, norm="linf", methods=[CROWN_IBP])


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["features.1", "features.3", "features.6"])
def test_no_attack_on_the_latent_breaks_a_certificate(layer):
    x, y, _ = thousand("digits")
    net = trained.digits()
    found = certify(net, x, y, eps=[0.05, 0.2], layer=layer, methods=["closed-form", "interval", "linear"])
    sure = (found.radius > 0) & found.radius.isfinite()
    place = int(layer.rpartition(".")[2]) + 1
    net.double()
    try:
        z = net.features[:place](x[sure].double().view(-1, 1, 8, 8)).detach()

        def g(rows, points):
            return net.classifier(net.features[place:](points))

        assert sure.sum() > 800
        assert not attacked(g, z, y[sure], LInf, found.radius[sure]).any()
        assert attacked(g, z, y[sure], LInf, 10 * found.radius[sure]).float().mean() > 0.5
    finally:
        net.float()
