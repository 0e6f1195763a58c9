import math

import pytest
import torch

from ratlp.certificates import linear_head_radius, lipschitz_radius
from ratlp.certificates.radius import margins
from ratlp.errors import InputError

NORMS = ("linf", "l2")


def head(classes=4, m=5, n=300):
    return (
        torch.randn(classes, m).double(),
        torch.randn(classes).double(),
        torch.randn(n, m).double(),
        torch.randint(classes, (n,)),
    )


def steps_towards(weight, y, norm):
    """For each other class the unit step that lowers the margin against it most: `[classes, batch, latent]`."""
    towards = weight.unsqueeze(1) - weight[y]
    return towards.sign() if norm == "linf" else torch.nn.functional.normalize(towards, dim=-1)


@pytest.mark.parametrize("norm", NORMS)
def test_a_linear_heads_radius_is_exact(norm):
    weight, bias, z, y = head()
    radius = linear_head_radius(weight, bias, z, y, norm=norm)
    right = (z @ weight.T + bias).argmax(1) == y
    assert torch.equal(radius > 0, right)

    def kept(share):
        moved = z + share * radius[:, None] * steps_towards(weight, y, norm)
        return ((moved @ weight.T + bias).argmax(-1) == y).all(0)

    assert kept(1 - 1e-9)[right].all()
    assert not kept(1 + 1e-9)[right].any()


@pytest.mark.parametrize("norm", NORMS)
def test_no_random_point_within_the_radius_changes_the_class(norm):
    weight, bias, z, y = head()
    radius = linear_head_radius(weight, bias, z, y, norm=norm)
    for _ in range(300):
        step = torch.randn_like(z)
        step = step / (step.abs().amax(1, keepdim=True) if norm == "linf" else step.norm(dim=1, keepdim=True))
        moved = z + (1 - 1e-9) * radius[:, None] * step
        assert ((moved @ weight.T + bias).argmax(1) == y)[radius > 0].all()


@pytest.mark.parametrize("norm", NORMS)
def test_the_logits_radius_is_exact_for_the_identity(norm):
    logits = torch.randn(200, 3).double()
    y = logits.argmax(1)
    radius = lipschitz_radius(logits, y, lipschitz=1.0, norm=norm)
    exact = linear_head_radius(torch.eye(3), None, logits, y, norm=norm)
    assert torch.allclose(radius, exact, rtol=1e-12)
    assert torch.allclose(lipschitz_radius(logits, y, lipschitz=4.0, norm=norm), exact / 4)


def test_radii_are_rounded_down():
    from fractions import Fraction

    weight, bias, z, y = head(n=100)
    y = (z @ weight.T + bias).argmax(1)
    radius = linear_head_radius(weight, bias, z, y, norm="linf")

    def exact(sample):
        rows = [list(map(Fraction, row)) for row in weight.tolist()]
        point, shifts, own = list(map(Fraction, z[sample].tolist())), list(map(Fraction, bias.tolist())), int(y[sample])

        def distance(j):
            difference = [a - b for a, b in zip(rows[own], rows[j], strict=True)]
            margin = sum(a * b for a, b in zip(difference, point, strict=True)) + shifts[own] - shifts[j]
            return margin / sum(map(abs, difference))

        return min(distance(j) for j in range(4) if j != own)

    for sample in range(100):
        truth = exact(sample)
        assert Fraction(float(radius[sample])) <= truth
        assert math.isclose(float(radius[sample]), truth, rel_tol=1e-9) or truth < 1e-6


def test_wrong_and_undecided_samples_have_radius_0():
    logits = torch.tensor([[1.0, 2.0], [1.0, 1.0], [2.0, 1.0]])
    radius = lipschitz_radius(logits, torch.zeros(3, dtype=torch.long), lipschitz=1.0)
    assert (radius > 0).tolist() == [False, False, True]


def test_a_constant_head_cannot_be_moved():
    weight, bias = torch.zeros(2, 3), torch.tensor([1.0, 0.0])
    radius = linear_head_radius(weight, bias, torch.randn(2, 3), torch.tensor([0, 1]))
    assert radius.tolist() == [math.inf, 0.0]
    assert lipschitz_radius(bias.expand(1, 2), torch.tensor([0]), lipschitz=0.0).tolist() == [math.inf]


def test_margins():
    found = margins(torch.tensor([[1.0, 4.0, 2.0]]), torch.tensor([1]))
    assert found.tolist() == [[3.0, math.inf, 2.0]]


@pytest.mark.parametrize(
    ("logits", "y", "reason"),
    [
        (torch.zeros(2, 1), torch.tensor([0, 0]), "at least 2 classes"),
        (torch.zeros(2, 3), torch.tensor([0]), r"found shape \(2, 3\) for a batch of 1"),
        (torch.zeros(0, 3), torch.zeros(0).long(), "one sample or more"),
        (torch.zeros(2, 3), torch.tensor([0, 3]), r"labels must be in 0\.\.2"),
        (torch.zeros(2, 3), torch.tensor([-1, 0]), r"labels must be in 0\.\.2"),
        (torch.zeros(2, 3), torch.tensor([0.0, 1.0]), "int64 tensor .* found torch.float32"),
        (torch.zeros(2, 3), torch.tensor([0, 1]).int(), "int64 tensor .* found torch.int32"),
        (torch.full((1, 3), torch.nan), torch.tensor([0]), "logits must be finite; found 3 NaN"),
    ],
)
def test_margins_refuse(logits, y, reason):
    with pytest.raises(InputError, match=reason):
        margins(logits, y)


def test_radii_refuse_negative_constants_and_unknown_norms():
    weight, bias, z, y = head(n=2)
    with pytest.raises(InputError, match="lipschitz must be >= 0"):
        linear_head_radius(weight, bias, z, y, lipschitz=-1.0)
    with pytest.raises(InputError, match="lipschitz must be >= 0"):
        lipschitz_radius(z, y, lipschitz=math.nan)
    with pytest.raises(InputError, match="found 'l1'"):
        linear_head_radius(weight, bias, z, y, norm="l1")
