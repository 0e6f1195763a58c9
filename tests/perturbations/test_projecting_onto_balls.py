"""A projection that is made once for a point is the one that its set makes each time."""

import pytest
import torch

from ratlp.perturbations import L2, Box, LInf, rms_per_sample

BOUNDS = (torch.tensor([0.0, -1.0, 0.0, -torch.inf]), torch.tensor([1.0, 1.0, 0.5, 0.25]))
SETS = {
    "linf": LInf(0.3),
    "linf of each feature": LInf(torch.tensor([0.1, 0.2, 0.0, 3.0])),
    "linf, bounds": LInf(0.3, bounds=(0, 1)),
    "linf, bounds of each feature": LInf(0.3, bounds=BOUNDS),
    "linf, relative": LInf(0.3, relative_to=rms_per_sample, bounds=(-1, 1)),
    "l2": L2(0.3),
    "l2, bounds": L2(0.3, bounds=BOUNDS),
}


@pytest.fixture
def draws():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(50, 4, generator=generator, dtype=torch.float64) for _ in range(5)]


@pytest.mark.parametrize("name", SETS)
def test_once_or_each_time(name, draws):
    point, *deltas = draws
    project = SETS[name].projection(point)
    for delta in deltas:
        assert torch.equal(project(delta), SETS[name].project(delta, point))


def test_a_set_without_one_of_its_own(draws):
    point, delta, *_ = draws
    box = Box(point - 0.1, point + 0.2)
    assert torch.equal(box.projection(point)(delta), box.project(delta, point))


@pytest.mark.parametrize("point_within", [True, False])
def test_linf_coordinate_by_coordinate(point_within, draws):
    """The slow twin: each coordinate moves as far as ball and bounds let it, and no further out than it was."""
    point, delta, *_ = draws
    if point_within:
        point = point.clamp(*BOUNDS)
    found = SETS["linf, bounds of each feature"].project(delta, point)
    for row in range(len(point)):
        for column in range(4):
            here, low, high = point[row, column], BOUNDS[0][column], BOUNDS[1][column]
            lowest, highest = min(here, low) if here < low else low, max(here, high) if here > high else high
            there = min(max(here + min(max(delta[row, column], -0.3), 0.3), lowest), highest)
            assert found[row, column] == pytest.approx(float(there - here), abs=1e-12)
