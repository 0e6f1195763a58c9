"""The standard AutoAttack, where it can run and where it cannot."""

import sys

import pytest
import torch
from torch import nn

from ratlp.errors import InputError, MissingExtraError
from ratlp.evaluation import Attack, AutoAttack, adversarial_examples, evaluate, quick_attacks
from ratlp.perturbations import L2, LInf, rms_per_sample


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyautoattack.autoattack", None)
    with pytest.raises(MissingExtraError, match=r"ratlp\[autoattack\]"):
        AutoAttack()


@pytest.fixture
def images():
    pytest.importorskip("pyautoattack")
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 24), nn.ReLU(), nn.Linear(24, 5))
    x = torch.rand(12, 1, 6, 6)
    return model, x, model(x).argmax(1)


@pytest.mark.slow
@pytest.mark.parametrize("norm", [LInf, L2])
def test_what_it_finds_is_in_the_set(images, norm):
    model, x, y = images
    set_ = norm(0.03 if norm is LInf else 0.1, bounds=(0, 1))
    attack = Attack("autoattack", AutoAttack(), set_)
    found = adversarial_examples(model, x, y, attack)
    lengths = found.delta.flatten(1).abs().amax(1) if norm is LInf else found.delta.flatten(1).norm(dim=1)
    assert lengths.max() <= set_.eps * (1 + 1e-5)
    assert 0 < found.broken.sum() < 12
    assert torch.equal(found.broken, model(x + found.delta).argmax(1) != y)
    state = torch.get_rng_state()
    evaluation = evaluate(model, x, y, [attack])
    assert torch.equal(state, torch.get_rng_state())
    assert evaluation.attacks[0].forwards > evaluation.attacks[0].gradients > 0
    assert evaluation.samples.broken["autoattack"] == tuple(found.broken.nonzero()[:, 0].tolist())
    weaker = evaluate(model, x, y, quick_attacks(set_))
    assert evaluation.worst_case.correct <= weaker.worst_case.correct


def test_a_part_of_its_attacks(images):
    model, x, y = images
    set_ = LInf(0.03, bounds=(0, 1))
    part, one = AutoAttack(attacks=("apgd-ce", "apgd-t")), AutoAttack(attacks=["apgd-ce"])
    assert repr(part) == "AutoAttack(version='standard', attacks=('apgd-ce', 'apgd-t'), seed=0)"
    assert repr(AutoAttack(attacks=AutoAttack().attacks)) == repr(AutoAttack())
    calls = {
        maximiser: evaluate(model, x, y, [Attack("a", maximiser, set_)]).attacks[0].forwards
        for maximiser in (part, one)
    }
    assert calls[part] > calls[one] > 0


@pytest.mark.parametrize(
    "wrong", [["fgsm"], [], "apgd-ce", ["apgd-ce", "apgd-dlr"], 5, (["square"],), {"square"}, ("square", "square")]
)
def test_attacks_that_its_version_has_not(wrong):
    pytest.importorskip("pyautoattack")
    with pytest.raises(InputError, match=r"attacks must be a sequence of apgd-ce, .*, square, each once; found"):
        AutoAttack(attacks=wrong)


def test_what_it_is_not_made_for(images):
    model, x, y = images
    few = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    flat = nn.Linear(36, 5)
    unit = {"bounds": (0, 1)}
    cases = [
        (few, x, LInf(0.1, **unit), "input", "at least 4 classes; found 3"),
        (flat, x.flatten(1), LInf(0.1, **unit), "input", r"float32 images .* found torch.float32 of shape \(12, 36\)"),
        (model, x, LInf(0.1), "input", r"bounds=\(0, 1\); found None"),
        (model, x, LInf(0.1, bounds=(0, 2)), "input", r"bounds=\(0, 1\); found \(0, 2\)"),
        (model, x, LInf(0.1, relative_to=rms_per_sample, **unit), "input", "an absolute LInf or L2 ball"),
        (model, x, LInf(0.1, **unit), "1", "layer='input'; found another"),
    ]
    for net, inputs, set_, layer, message in cases:
        labels = net(inputs).argmax(1)
        with pytest.raises(InputError, match=f"AutoAttack needs {message}"):
            evaluate(net, inputs, labels, [Attack("autoattack", AutoAttack(), set_, layer=layer)])
    with pytest.raises(InputError, match=r"found torch\.float64"):
        evaluate(model, x, y, [Attack("autoattack", AutoAttack(), LInf(0.1, **unit))], dtype=torch.float64)
    assert repr(AutoAttack(version="plus")) == "AutoAttack(version='plus', seed=0)"
