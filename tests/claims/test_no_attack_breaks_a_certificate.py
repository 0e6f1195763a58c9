"""A certificate says that no attack succeeds: 1,000 points, strong attacks at each sample's own certified radius."""

import pytest
import torch
from utils import trained

from ratlp.attacks import APGD, PGD, ClassifierProblem
from ratlp.certificates import Effort, certify
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


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("certified", [True, False])
@pytest.mark.parametrize("data", ["moons", "digits"])
def test_no_attack_on_the_input_breaks_a_certificate(data, certified, norm):
    x, y, bounds = thousand(data)
    net = getattr(trained, data)(certified=certified)
    found = certify(net, x, y, eps=[0.02, 0.1], norm=norm, bounds=bounds, effort=Effort(tolerance=0.1))
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
