import pytest
import torch
from torch import nn

from ratlp.bounds import Interval
from ratlp.bounds.interval import BatchStatistics, supplied
from ratlp.errors import BoundError


def net() -> nn.Sequential:
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(5)
    return nn.Sequential(
        nn.Linear(3, 5), norm, nn.ReLU(), nn.Linear(5, 5), norm, nn.BatchNorm1d(5, affine=False, momentum=None)
    ).double()


def x() -> torch.Tensor:
    return torch.randn(8, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_the_box_of_one_point_is_the_clean_output():
    """A norm that is called twice takes the statistics of each call."""
    model = net()
    with BatchStatistics() as statistics:
        clean = model(x())
    with supplied(statistics.found):
        box = model(Interval(x(), x()))
    torch.testing.assert_close(box.lower, clean)
    torch.testing.assert_close(box.upper, clean)


def test_the_box_contains_the_points_under_the_clean_statistics():
    model, radius = net(), 0.1
    with BatchStatistics() as statistics:
        clean = model(x())
    with supplied(statistics.found):
        box = model(Interval(x() - radius, x() + radius))
    assert (box.lower <= clean + 1e-12).all()
    assert (clean <= box.upper + 1e-12).all()


def test_running_statistics_are_left_alone():
    model = net()
    with BatchStatistics() as statistics:
        model(x())
    before = {name: buffer.clone() for name, buffer in model.named_buffers() if "running" in name}
    with supplied(statistics.found):
        model(Interval(x() - 1, x() + 1))
    buffers = dict(model.named_buffers())
    assert all(torch.equal(buffers[name], value) for name, value in before.items())


def test_gradients_pass_through_the_statistics():
    model = net()
    inputs = x().requires_grad_()
    with BatchStatistics() as statistics:
        model(inputs)
    with supplied(statistics.found):
        model(Interval(x() - 0.1, x() + 0.1)).upper.square().sum().backward()
    assert inputs.grad.abs().sum() > 0


def test_statistics_are_asked_for_in_training():
    with pytest.raises(BoundError, match=r"model\.eval\(\)"):
        net()(Interval(x(), x()))


def test_given_statistics_end_with_the_block_also_after_an_error():
    model = net()
    with BatchStatistics() as statistics:
        model(x())
    with pytest.raises(RuntimeError, match="mine"), supplied(statistics.found):
        raise RuntimeError("mine")
    with pytest.raises(BoundError):
        model(Interval(x(), x()))


def test_evaluation_uses_the_running_statistics():
    model = net()
    model(x())
    model.eval()
    box = model(Interval(x(), x()))
    torch.testing.assert_close(box.centre, model(x()))


@pytest.mark.parametrize("direct", [True, False])
def test_both_forms_of_batch_norm_are_recorded(direct):
    mean, variance = torch.zeros(3).double(), torch.ones(3).double()
    with BatchStatistics() as statistics:
        if direct:
            torch.batch_norm(x(), None, None, mean, variance, True, 0.1, 1e-5, False)
        else:
            nn.functional.batch_norm(x(), mean, variance, None, None, True)
    [(found_mean, found_variance)] = statistics.found
    torch.testing.assert_close(found_mean, x().mean(0))
    torch.testing.assert_close(found_variance, x().var(0, correction=0))
