import pytest
import torch

from ratlp.errors import InputError
from ratlp.perturbations import L2, Box, LInf, PerturbationSet, perturbation_set, rms_per_sample


@pytest.mark.parametrize(("norm", "kind"), [("linf", LInf), ("l2", L2)])
def test_each_norm_has_its_ball(norm, kind):
    made = perturbation_set(norm, 0.25, relative_to=rms_per_sample, bounds=(0, 1))
    assert type(made) is kind
    assert (made.eps, made.relative_to, made.bounds) == (0.25, rms_per_sample, (0, 1))
    order = {"linf": torch.inf, "l2": 2}[norm]
    delta = perturbation_set(norm, 0.25).linear_maximum(torch.tensor([[3.0, -4.0]]), torch.zeros(1, 2))
    assert float(torch.linalg.vector_norm(delta, order)) == pytest.approx(0.25)


def test_another_norm_is_refused():
    with pytest.raises(InputError, match="norm must be 'linf' or 'l2'; found 'l1'"):
        perturbation_set("l1", 0.1)


class Increase(PerturbationSet):
    """A set of one's own."""

    eps = 0.1

    def steepest(self, gradient, point):
        return self.eps * gradient.sign()

    def project(self, delta, point):
        return delta.clamp(0, self.eps)

    def random(self, point):
        return self.eps * torch.rand_like(point)


@pytest.mark.parametrize("made", [LInf(0.1, bounds=(0, 1)), L2(0.1, per="token"), Increase()])
def test_another_radius_changes_nothing_else(made):
    other = made.with_eps(0.3)
    assert (type(other), made.eps, other.eps) == (type(made), 0.1, 0.3)
    assert {**vars(other), "_eps": None, "eps": None} == {**vars(made), "_eps": None, "eps": None}


def test_another_radius_must_be_one_and_the_set_have_one():
    with pytest.raises(InputError, match="eps must be finite and >= 0; found -1"):
        LInf(0.1).with_eps(-1)
    with pytest.raises(InputError, match="a set that has one; found Box"):
        Box(torch.zeros(2, 1), torch.ones(2, 1)).with_eps(0.1)
