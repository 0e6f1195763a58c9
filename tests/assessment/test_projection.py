import pytest
import torch
from sklearn.decomposition import PCA

from ratlp.assessment.projection import Plane


@pytest.mark.parametrize("shape", [(50, 7), (30, 2, 3, 2), (4, 9)])
def test_it_is_scikit_learns_pca_up_to_sign(shape):
    points = torch.randn(shape) * torch.linspace(0.1, 2, shape[-1]) + 3
    plane, pca = Plane.of(points), PCA(2).fit(points.double().flatten(1).numpy())
    ours, theirs = plane.project(points), torch.from_numpy(pca.transform(points.double().flatten(1).numpy()))
    torch.testing.assert_close(ours.abs(), theirs.abs(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(torch.tensor(plane.shares), torch.tensor(pca.explained_variance_ratio_).float())


def test_signs_do_not_depend_on_the_order_of_points():
    points = torch.randn(40, 5)
    forwards, backwards = Plane.of(points), Plane.of(points.flip(0))
    torch.testing.assert_close(forwards.axes, backwards.axes)


@pytest.mark.parametrize("points", [torch.ones(1, 3), torch.ones(5, 3), torch.randn(5, 1)])
def test_fewer_directions_than_two(points):
    plane = Plane.of(points)
    assert plane.project(points).shape == (len(points), 2)
    assert bool(torch.isfinite(plane.axes).all())
    assert plane.shares[1] == 0
