import pytest
import torch

from ratlp.errors import InputError
from ratlp.perturbations import L2, LInf, perturbation_set


@pytest.mark.parametrize(("norm", "kind"), [("linf", LInf), ("l2", L2)])
def test_each_norm_has_its_ball(norm, kind):
    made = perturbation_set(norm, 0.25, bounds=(0, 1))
    assert type(made) is kind
    assert (made.eps, made.bounds) == (0.25, (0, 1))
    order = {"linf": torch.inf, "l2": 2}[norm]
    delta = perturbation_set(norm, 0.25).linear_maximum(torch.tensor([[3.0, -4.0]]), torch.zeros(1, 2))
    assert float(torch.linalg.vector_norm(delta, order)) == pytest.approx(0.25)


def test_another_norm_is_refused():
    with pytest.raises(InputError, match="norm must be 'linf' or 'l2'; found 'l1'"):
        perturbation_set("l1", 0.1)
