"""What is refused, and with which words."""

import pytest
import torch
from torch import nn
from utils.no_logits import Gives

from ratlp.attacks import FGSM, PGD
from ratlp.errors import InputError, LayerError
from ratlp.evaluation import Attack, evaluate, robustness_curve
from ratlp.perturbations import Box, LInf

ATTACK = Attack("fgsm", FGSM(), LInf(0.1, bounds=(0, 1)))


def spoilt(value, count):
    def change(logits, x):
        logits = logits.clone()
        logits.view(-1)[:count] = value
        return logits

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoilt(torch.nan, 2), "logits must be finite; found 2 NaN and 0 infinite of 18 values"),
        (spoilt(torch.inf, 1), "found 0 NaN and 1 infinite of 18 values"),
        (lambda logits, x: logits[:, 0], r"logits \[batch, classes\] with at least 2 classes; found shape \(6,\)"),
        (lambda logits, x: logits[:, :1], r"found shape \(6, 1\) for a batch of 6: write a binary classifier's"),
        (lambda logits, x: logits[None], r"found shape \(1, 6, 3\)"),
        (lambda logits, x: logits[:2], r"found shape \(2, 3\) for a batch of 6"),
        (lambda logits, x: logits.argmax(1)[:, None].expand(-1, 3), "found torch.int64: return scores"),
        (lambda logits, x: {"scores": logits}, "a model must return logits"),
        (lambda logits, x: logits[:, :2], r"labels must be in 0..1, as there are 2 logits; found 0..2"),
    ],
)
def test_models_that_give_no_logits(change, message):
    x, y = torch.rand(6, 4), torch.tensor([0, 1, 2, 0, 1, 2])
    with pytest.raises(InputError, match=message):
        evaluate(Gives(change), x, y, [ATTACK])


def test_nan_that_appears_under_attack_only():
    x = torch.full((6, 4), 0.5)
    model = Gives(lambda logits, x: logits + (0.45 - (x - 0.5).abs().amax(1, keepdim=True) * 10).sqrt() * 0)
    y = model(x).argmax(1)
    with pytest.raises(InputError, match=r"logits must be finite; found .* NaN"):
        evaluate(model, x, y, [ATTACK])


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.rand(3, 4), torch.tensor([0, 1]), r"of one length; found inputs of shape \(3, 4\) and 2 labels"),
        (torch.rand(2, 4), torch.tensor([0.0, 1.0]), "int64 tensor .* found torch.float32 .*: give one whole number"),
        (torch.rand(2, 4), torch.tensor([[0], [1]]), r"found torch.int64 of shape \(2, 1\)"),
        (torch.rand(2, 4), [0, 1], "found list"),
        (torch.rand(0, 4), torch.zeros(0).long(), "one sample or more is needed; found none: give some"),
        (torch.tensor([[torch.nan, 0.0, 0.0, torch.inf]]), torch.tensor([0]), "found 2 NaN or infinite of 4 values"),
        ([[0.0]], torch.tensor([0]), "inputs must be a tensor, or a tuple or mapping of tensors; found list"),
        (torch.rand(2, 4), torch.tensor([0, 3]), r"labels must be in 0..2, as there are 3 logits; found 0..3"),
        (torch.rand(2, 4), torch.tensor([-1, 2]), r"found -1..2"),
        (torch.tensor([[0.5, -0.25, 1.5, 0.0]]), torch.tensor([0]), "found 2 of 4 values outside, from -0.25 to 1.5"),
    ],
)
def test_samples_that_break_a_rule(x, y, message):
    with pytest.raises(InputError, match=message):
        evaluate(nn.Linear(4, 3), x, y, [ATTACK])


def test_bounds_of_each_feature_are_checked():
    attack = Attack("fgsm", FGSM(), LInf(0.1, bounds=(0, torch.tensor([1.0, 2.0, 1.0, 1.0]))))
    fits, off = torch.tensor([[0.0, 2.0, 1.0, 1.0]]), torch.tensor([[2.0, 0.0, 1.0, 1.0]])
    evaluate(nn.Linear(4, 3), fits, torch.tensor([0]), [attack])
    with pytest.raises(InputError, match="bounds of attack 'fgsm'; found 1 of 4 values"):
        evaluate(nn.Linear(4, 3), off, torch.tensor([0]), [attack])


def test_token_ids_are_attacked_at_a_layer():
    model = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 3))
    x, y = torch.randint(10, (6, 3)), torch.tensor([0, 1, 2, 0, 1, 2])
    with pytest.raises(
        InputError, match=r"found torch\.int64, such as token ids: attack a layer, such as the embedding"
    ):
        evaluate(model, x, y, [Attack("fgsm", FGSM(), LInf(0.1))])
    assert evaluate(model, x, y, [Attack("fgsm", FGSM(), LInf(0.1), layer="0")]).attacks[0].space == "latent"


def test_layers_must_exist():
    with pytest.raises(LayerError, match="found 'head'"):
        evaluate(
            nn.Linear(4, 3), torch.rand(2, 4), torch.tensor([0, 1]), [Attack("fgsm", FGSM(), LInf(1.0), layer="head")]
        )


@pytest.mark.parametrize("attacks", [[], [ATTACK, ATTACK]])
def test_attacks_need_names_of_their_own(attacks):
    with pytest.raises(InputError, match="one or more, each with a name of its own"):
        evaluate(nn.Linear(4, 3), torch.rand(2, 4), torch.tensor([0, 1]), attacks)


def test_options_out_of_range():
    x, y, model = torch.rand(2, 4), torch.tensor([0, 1]), nn.Linear(4, 3)
    with pytest.raises(InputError, match="batch_size must be >= 1; found 0"):
        evaluate(model, x, y, [ATTACK], batch_size=0)
    for radii in ([], [0.1, 0.1], [-1.0], [float("inf")], [0.0]):
        with pytest.raises(InputError, match="a curve needs radii that are finite and > 0"):
            robustness_curve(model, x, y, ATTACK, radii)
    box = Attack("pgd", PGD(steps=2), Box(x - 1, x + 1))
    assert (box.norm, box.eps) == ("box", None)
    with pytest.raises(InputError, match="another eps needs a set with one eps"):
        box.at(0.1)
