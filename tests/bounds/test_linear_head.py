import pytest
import torch
from torch.nn.functional import cross_entropy

from ratlp.bounds import exact_maximum, linf_norm, pair_norms, pairwise_norm, worst_margins
from ratlp.bounds.lipschitz import spectral_norm
from ratlp.errors import InputError


def head(classes=3, m=4, n=7):
    weight, bias = torch.randn(classes, m).double(), torch.randn(classes).double()
    return weight, bias, torch.randn(n, m).double(), torch.randint(classes, (n,))


def losses(weight, bias, z, y):
    return cross_entropy(z @ weight.T + bias, y, reduction="none")


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_no_point_of_the_box_beats_the_exact_maximum(classes):
    weight, bias, z, y = head(classes)
    exact = exact_maximum(weight, bias, z, y, eps=0.5)
    for _ in range(2000):
        inside = z + 0.5 * (2 * torch.rand_like(z) - 1)
        assert (losses(weight, bias, inside, y) <= exact).all()


def test_the_exact_maximum_is_reached_by_the_sign_step_with_two_classes():
    weight, bias, z, y = head(classes=2)
    other = (weight[1 - y] - weight[y]).sign()
    reached = losses(weight, bias, z + 0.5 * other, y)
    assert torch.allclose(exact_maximum(weight, bias, z, y, eps=0.5), reached, rtol=1e-12)


def test_chunks_do_not_change_the_maximum():
    weight, bias, z, y = head(classes=10, m=12, n=120)
    together = exact_maximum(weight, bias, z, y, eps=0.5)
    alone = [exact_maximum(weight, bias, z[i : i + 1], y[i : i + 1], eps=0.5) for i in range(120)]
    assert torch.allclose(together, torch.cat(alone), rtol=1e-12)


def test_too_many_vertices():
    weight, bias, z, y = head(m=13)
    with pytest.raises(InputError, match="m must be <= 12; found m = 13"):
        exact_maximum(weight, bias, z, y, eps=0.5)


def test_norm_is_attained_and_never_exceeded():
    weight, _, z, _ = head()
    norm = linf_norm(weight)
    moved = (z @ weight.T).abs().amax(1) / z.abs().amax(1)
    assert (moved <= norm + 1e-12).all()
    attained = (weight @ weight[weight.abs().sum(1).argmax()].sign()).abs().max()
    assert torch.isclose(attained, norm)


def test_pairwise_norm_is_the_largest_distance_of_rows():
    weight, _, _, y = head()
    for label, found in zip(y, pairwise_norm(weight, y), strict=True):
        assert found == max((weight[j] - weight[label]).abs().sum() for j in range(3))
    assert (pairwise_norm(weight, y) <= 2 * linf_norm(weight) + 1e-12).all()


def test_pairwise_norm_under_l2_is_the_largest_length_of_a_difference():
    weight, _, _, y = head()
    for label, found in zip(y, pairwise_norm(weight, y, norm="l2"), strict=True):
        assert torch.isclose(found, max((weight[j] - weight[label]).norm() for j in range(3)))
    assert (pairwise_norm(weight, y, norm="l2") <= 2**0.5 * spectral_norm(weight)).all()


def test_pair_norms_of_an_unknown_norm():
    weight, _, _, y = head()
    with pytest.raises(InputError, match="found 'l1'"):
        pair_norms(weight, y, norm="l1")


def margins(weight, bias, z, y):
    logits = z @ weight.T + bias
    return logits.gather(1, y[:, None]) - logits


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_worst_margins_are_reached_and_never_exceeded(norm):
    weight, bias, z, y = head(classes=4, n=9)
    worst = worst_margins(weight, bias, z, y, eps=0.5, norm=norm)
    others = torch.ones_like(worst, dtype=torch.bool).scatter(1, y[:, None], False)
    assert (worst[~others] == torch.inf).all()
    for j in range(4):
        towards = weight[j] - weight[y]
        step = towards.sign() if norm == "linf" else towards / towards.norm(dim=1, keepdim=True).clamp(min=1e-12)
        reached = margins(weight, bias, z + 0.5 * step, y)[:, j]
        assert torch.allclose(reached[y != j], worst[y != j, j], rtol=1e-12)
    for _ in range(500):
        step = 2 * torch.rand_like(z) - 1
        step = step if norm == "linf" else step / step.norm(dim=1, keepdim=True)
        assert (margins(weight, bias, z + 0.5 * step, y) >= worst - 1e-12)[others].all()
