"""Adversarial examples are in their set and bounds, and misclassified when the model is called afresh."""

import pytest
import torch
from utils.attacks import few_attacks

from ratlp.evaluation import adversarial_examples, evaluate
from ratlp.perturbations import L2, LInf, rms_per_sample

NAMES = ["fgsm", "pgd", "apgd-ce", "apgd-dlr", "square", "noise"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("norm", [LInf, L2])
def test_inputs(mlp, samples, name, norm):
    model = mlp(4).eval()
    x, y = samples(model)
    set_ = norm(0.1, bounds=(0, 1))
    attack = next(attack for attack in few_attacks(set_) if attack.name == name)
    found = adversarial_examples(model, x, y, attack, batch_size=16)
    adversarial = x + found.delta
    lengths = found.delta.abs().amax(1) if norm is LInf else found.delta.norm(dim=1)
    assert lengths.max() <= 0.1 * (1 + 1e-5)
    assert adversarial.min() >= -1e-6
    assert adversarial.max() <= 1 + 1e-6
    right = model(x).argmax(1) == y
    assert torch.equal(found.broken, right & (model(adversarial).argmax(1) != y))
    torch.testing.assert_close(found.adversarial_logits, model(adversarial))
    torch.testing.assert_close(found.logits, model(x))
    assert not found.delta[~right].any()
    evaluation = evaluate(model, x, y, [attack], batch_size=16)
    assert evaluation.samples.broken[name] == tuple(found.broken.nonzero()[:, 0].tolist())
    assert found.broken.any() or name == "noise"


@pytest.mark.parametrize("set_", [LInf(0.3), L2(0.3, relative_to=rms_per_sample)], ids=repr)
def test_latents(mlp, samples, set_):
    model = mlp(4).eval()
    x, y = samples(model)
    attack = few_attacks(set_, layer="1")[1]
    found = adversarial_examples(model, x, y, attack, batch_size=16)
    torch.testing.assert_close(found.points, model[:2](x))
    right = model(x).argmax(1) == y
    assert found.broken.any()
    assert torch.equal(found.broken, right & (model[2:](found.points + found.delta).argmax(1) != y))
    moved = found.delta.abs().amax(1) if isinstance(set_, LInf) else found.delta.norm(dim=1) / found.points.norm(dim=1)
    assert moved.max() <= 0.3 * (1 + 1e-5)
    evaluation = evaluate(model, x, y, [attack], batch_size=16)
    assert evaluation.samples.broken["pgd"] == tuple(found.broken.nonzero()[:, 0].tolist())
