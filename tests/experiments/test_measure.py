import pytest
import torch
from torch.nn.functional import cross_entropy

from ratlp.data import Digits, Moons
from ratlp.experiments import Setting
from ratlp.experiments.measure import Measurements, accuracies
from ratlp.experiments.training import Member, train_stacked
from ratlp.models import unstack

SHORT = Setting(epochs=3)


def trained(source, seeds=3):
    members = [Member.of(source, SHORT, seed) for seed in range(seeds)]
    return train_stacked(members, SHORT, "ratlp"), members[0].net


def fgsm_accuracy(function, point, y, eps, bounds=None):
    """The paper's evaluation, one net at a time."""
    point = point.clone().requires_grad_()
    cross_entropy(function(point), y).backward()
    moved = point + eps * point.grad.sign()
    moved = moved if bounds is None else moved.clamp(*bounds)
    return 100 * (function(moved).argmax(1) == y).double().mean().item()


@pytest.mark.parametrize("source", [Moons(n=300), Digits()], ids=lambda s: s.name)
def test_accuracies_equal_those_of_each_net_alone(source):
    stack, like = trained(source)
    found = accuracies(stack, eps=0.1, bounds=source.bounds)
    for i, (x, y) in enumerate(zip(stack.x_test, stack.y_test, strict=True)):
        net = unstack(stack.net, like, i)
        z = net.encoder(x).detach()
        step = 100 / len(y)  # one sample may fall on either side in float32
        assert found["clean"][i] == pytest.approx(fgsm_accuracy(net, x, y, 0.0), abs=1.01 * step)
        expected = fgsm_accuracy(net, x, y, 0.1, source.bounds)
        assert found["input_fgsm"][i] == pytest.approx(expected, abs=1.01 * step)
        expected = fgsm_accuracy(net.classifier, z, y, 0.1)
        assert found["latent_fgsm"][i] == pytest.approx(expected, abs=1.01 * step)


def test_the_attack_does_not_weaken_where_the_nets_are_confident():
    stack, like = trained(Digits(), seeds=1)
    with torch.no_grad():
        stack.net.classifier.weight.mul_(20)  # same decisions, and 1 - p_y rounds to 0 in float32
        stack.net.classifier.bias.mul_(20)
    x, y, net = stack.x_test[0], stack.y_test[0], unstack(stack.net, like, 0)
    expected = fgsm_accuracy(net.double(), x.double(), y, 0.1, (0.0, 1.0))
    weaker = fgsm_accuracy(net.float(), x, y, 0.1, (0.0, 1.0))
    found = accuracies(stack, eps=0.1, bounds=(0.0, 1.0))["input_fgsm"][0]
    assert found == pytest.approx(expected, abs=0.3)
    assert weaker > found + 2


def test_scale_of_the_latent_and_the_head():
    stack, like = trained(Moons(n=300))
    measured = Measurements.of(stack, bounds=None)
    for i in range(3):
        net = unstack(stack.net, like, i)
        magnitude = net.encoder(stack.x_test[i]).abs().mean().item()
        assert measured.latent_magnitude[i] == pytest.approx(magnitude, rel=1e-5)
        norm = net.classifier.weight.abs().sum(1).max().item()
        assert measured.head_norm[i] == pytest.approx(norm, rel=1e-5)


def test_no_parameter_gradient_is_left_behind():
    stack, _ = trained(Moons(n=300))
    stack.net.zero_grad()
    accuracies(stack, eps=0.1, bounds=None)
    assert all(p.grad is None for p in stack.net.parameters())


def test_measurements_of_further_seeds_are_appended():
    stack, _ = trained(Moons(n=300), seeds=2)
    one = Measurements.of(stack, bounds=None)
    assert (one + one).accuracy["clean"] == 2 * one.accuracy["clean"]
    assert torch.tensor((one + one).head_norm).shape == (4,)
