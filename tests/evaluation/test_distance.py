"""Minimal distances, where they are known and where they are not."""

import math

import pytest
import torch
from torch import nn

from ratlp.attacks import APGD, PGD
from ratlp.errors import InputError
from ratlp.evaluation import Attack, Distances, evaluate, minimal_distances
from ratlp.perturbations import L2, Box, LInf, rms_per_sample


def linear_distances(model, x, y, norm):
    """|margin| over the dual norm of the difference of rows: exact for a linear model of two classes."""
    difference = model.weight[0] - model.weight[1]
    dual = difference.abs().sum() if norm == "linf" else difference.norm()
    margins = model(x)[:, 0] - model(x)[:, 1]
    signed = torch.where(y == 0, margins, -margins)
    return (signed.clamp(min=0) / dual).tolist()


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("tolerance", [0.02, 0.001])
def test_linear_models(norm, tolerance):
    model, x = nn.Linear(5, 2), torch.randn(30, 5)
    y = torch.randint(2, (30,))
    set_ = LInf(1.0) if norm == "linf" else L2(1.0)
    found = minimal_distances(model, x, y, Attack("apgd", APGD(steps=20), set_), tolerance=tolerance, batch_size=8)
    exact = linear_distances(model, x, y, norm)
    assert 3 < sum(value is None for value in found.values) + sum(value == 0 for value in found.values) < 27
    for value, truth in zip(found.values, exact, strict=True):
        if value is None:
            assert truth > 1.0 - 1e-5
        else:
            assert truth - 1e-5 <= value <= truth + tolerance + 1e-5


@pytest.mark.parametrize("set_", [LInf(0.05, bounds=(0, 1)), L2(0.1), L2(0.05, relative_to=rms_per_sample)], ids=repr)
@pytest.mark.parametrize("layer", ["input", "1"])
def test_every_distance_is_that_of_a_misclassified_point(mlp, samples, set_, layer):
    model = mlp(3).eval()
    x, y = samples(model)
    attack = Attack("pgd", PGD(steps=10, random_start=False), set_, layer=layer)
    found = minimal_distances(model, x, y, attack, tolerance=0.005)
    evaluation = evaluate(model, x, y, [attack])
    assert 0 < evaluation.worst_case.correct < evaluation.clean.correct
    broken = evaluation.samples.broken["pgd"]
    for index, value in enumerate(found.values):
        if index not in evaluation.samples.correct:
            assert value == 0
        else:
            assert (value is None) == (index not in broken)
            assert value is None or 0 < value <= attack.eps * (1 + 1e-5)


def test_quantiles():
    distances = Distances("pgd", "input", "input", "linf", None, 1.0, 0.1, (0.4, None, 0.0, 0.2, None))
    assert [distances.quantile(share) for share in (0.2, 0.21, 0.5, 0.6, 0.61, 1.0)] == [0.0, 0.2, 0.4, 0.4, None, None]
    assert distances.median == 0.4
    assert repr(distances).endswith("quartile 0.2, median 0.4, third quartile > 1")
    with pytest.raises(InputError, match=r"a share in \(0, 1\]; found 0"):
        distances.quantile(0)


def test_what_cannot_be_bisected():
    model, x, y = nn.Linear(5, 2), torch.rand(4, 5), torch.zeros(4).long()
    for set_ in (Box(x - 1, x + 1), LInf(torch.ones(5)), L2(1.0, per="token")):
        with pytest.raises(InputError, match="distances need an LInf or L2 ball per sample"):
            minimal_distances(model, x, y, Attack("pgd", PGD(steps=2), set_))
    with pytest.raises(InputError, match="eps > 0"):
        minimal_distances(model, x, y, Attack("pgd", PGD(steps=2), LInf(0.0)))
    for tolerance in (0, -1.0, math.nan):
        with pytest.raises(InputError, match="tolerance must be finite and > 0"):
            minimal_distances(model, x, y, Attack("pgd", PGD(steps=2), LInf(1.0)), tolerance=tolerance)
