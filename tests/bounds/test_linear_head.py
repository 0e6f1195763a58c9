import pytest
import torch
from torch.nn.functional import cross_entropy

from ratlp.bounds import exact_maximum, linf_norm, pairwise_norm
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
