import pytest
import torch

from ratlp.losses import dlr, margin, targeted_dlr


def naive(z, y):
    """DLR of one sample."""
    ordered = sorted(z, reverse=True)
    rival = max(z[j] for j in range(len(z)) if j != y)
    return (rival - z[y]) / (ordered[0] - ordered[2])


def naive_targeted(z, y, target):
    ordered = sorted(z, reverse=True)
    return (z[target] - z[y]) / (ordered[0] - (ordered[2] + ordered[3]) / 2)


@pytest.mark.parametrize("classes", [3, 4, 10])
def test_dlr_sample_by_sample(classes):
    logits, y = torch.randn(30, classes).double(), torch.randint(classes, (30,))
    expected = [naive(z.tolist(), int(label)) for z, label in zip(logits, y, strict=True)]
    assert torch.allclose(dlr(logits, y), torch.tensor(expected).double())


@pytest.mark.parametrize("classes", [4, 10])
def test_targeted_dlr_sample_by_sample(classes):
    logits, y = torch.randn(30, classes).double(), torch.randint(classes, (30,))
    target = (y + torch.randint(1, classes, (30,))) % classes
    labels = zip(logits, y, target, strict=True)
    expected = [naive_targeted(z.tolist(), int(label), int(t)) for z, label, t in labels]
    assert torch.allclose(targeted_dlr(logits, y, target), torch.tensor(expected).double())


@pytest.mark.parametrize("classes", [3, 4, 10])
def test_neither_scale_nor_offset_of_the_logits_changes_it(classes):
    logits, y = torch.randn(30, classes).double(), torch.randint(classes, (30,))
    target = (y + 1) % classes
    assert torch.allclose(dlr(1e6 * logits + 7, y), dlr(logits, y))
    assert torch.allclose(targeted_dlr(1e6 * logits + 7, y, target), targeted_dlr(logits, y, target))


def test_two_classes_fall_back_to_the_margin():
    logits, y = torch.randn(30, 2), torch.randint(2, (30,))
    assert torch.equal(dlr(logits, y), margin(logits, y))
    assert torch.equal(targeted_dlr(logits, y, 1 - y), margin(logits, y))


def test_three_classes_have_the_untargeted_denominator():
    logits, y = torch.randn(30, 3), torch.randint(3, (30,))
    spread = logits.amax(1) - logits.amin(1)
    lead = logits.gather(1, ((y + 1) % 3)[:, None])[:, 0] - logits.gather(1, y[:, None])[:, 0]
    assert torch.allclose(targeted_dlr(logits, y, (y + 1) % 3), lead / spread)


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_equal_logits_give_zero_and_a_finite_gradient(classes):
    logits, y = torch.zeros(1, classes, requires_grad=True), torch.tensor([0])
    for found in (dlr(logits, y), targeted_dlr(logits, y, torch.tensor([1]))):
        assert found.item() == 0
        assert torch.isfinite(torch.autograd.grad(found.sum(), logits)[0]).all()
