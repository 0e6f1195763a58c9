import torch

from ratlp.losses import TRADES


def test_divergence_against_the_definition():
    clean, moved = torch.randn(5, 3), torch.randn(5, 3)
    p, q = clean.softmax(1), moved.softmax(1)
    expected = (p * (p / q).log()).sum(1)
    found = TRADES().inner(moved, torch.zeros(5), clean)
    assert torch.allclose(found, expected, atol=1e-6)
    assert torch.allclose(TRADES().adversarial(moved, torch.zeros(5), clean), expected.mean(), atol=1e-6)


def test_far_apart_logits_stay_finite():
    logits = torch.tensor([[1e4, -1e4], [-1e4, 1e4]], requires_grad=True)
    loss = TRADES().adversarial(logits, torch.zeros(2), -logits.detach())
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.isfinite()
    assert gradient.isfinite().all()
