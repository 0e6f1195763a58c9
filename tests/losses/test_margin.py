import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, softplus

from ratlp import RATLP
from ratlp.errors import InputError
from ratlp.losses import CustomLoss, dlr, log_odds, margin, targeted_dlr


def gradient_of(loss, logits, y):
    leaf = logits.clone().requires_grad_()
    return torch.autograd.grad(loss(leaf, y).sum(), leaf)[0]


def entropy(logits, y):
    return cross_entropy(logits, y, reduction="none")


@pytest.fixture
def logits():
    return 3 * torch.randn(50, 7).double()


@pytest.fixture
def y():
    return torch.randint(7, (50,))


def test_margin_is_positive_where_and_only_where_misclassified(logits, y):
    expected = [max(z[j] for j in range(7) if j != label) - z[label] for z, label in zip(logits, y, strict=True)]
    assert torch.equal(margin(logits, y), torch.stack(expected))
    assert torch.equal(margin(logits, y) > 0, logits.argmax(1) != y)


def test_log_odds_are_the_cross_entropy_rewritten(logits, y):
    assert torch.allclose(softplus(log_odds(logits, y)), entropy(logits, y))
    p = logits.softmax(1)[torch.arange(50), y]
    assert torch.allclose(log_odds(logits, y), ((1 - p) / p).log())


def test_log_odds_have_the_direction_of_the_cross_entropys_gradient(logits, y):
    ours, theirs = gradient_of(log_odds, logits, y), gradient_of(entropy, logits, y)
    p = logits.softmax(1)[torch.arange(50), y]
    assert torch.allclose(theirs, (1 - p)[:, None] * ours)


@pytest.mark.parametrize("loss", [log_odds, margin, dlr])
def test_a_net_scaled_by_1000_is_attacked_in_the_same_direction(loss):
    net, x = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 4)), torch.randn(40, 5)
    y = net(x).argmax(1)

    def input_gradient(scale, dtype):
        leaf = x.to(dtype, copy=True).requires_grad_()
        return torch.autograd.grad(loss(scale * net.to(dtype)(leaf), y).sum(), leaf)[0]

    found, exact = input_gradient(1000, torch.float32), input_gradient(1000, torch.float64).float()
    assert torch.isfinite(found).all()
    assert torch.allclose(found, exact, rtol=1e-3, atol=1e-4 * float(exact.abs().max()))
    assert (found.abs().sum(1) > 0).all()


def test_where_the_cross_entropy_saturates():
    logits, y = torch.tensor([[60.0, 20.0, 30.0]]), torch.tensor([0])
    assert gradient_of(entropy, logits, y)[0, 0] == 0  # 1 - p_y rounds to 0, and the term of z_y is lost
    assert not gradient_of(entropy, 10 * logits, y).any()
    share = torch.tensor([20.0, 30.0]).softmax(0)
    assert torch.allclose(gradient_of(log_odds, logits, y), torch.cat([torch.tensor([-1.0]), share])[None])


@pytest.mark.parametrize("loss", [log_odds, margin, dlr])
def test_float16_logits_are_widened(loss):
    logits = torch.tensor([[60000.0, -60000.0, 0.0]], dtype=torch.float16)
    found = loss(logits, torch.tensor([0]))
    assert found.dtype is torch.float32
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("shape", [(4, 1), (4,), (4, 3, 2)])
@pytest.mark.parametrize("loss", [log_odds, margin, dlr, lambda logits, y: targeted_dlr(logits, y, y)])
def test_what_is_no_classifier_is_refused(shape, loss):
    with pytest.raises(InputError, match=r"logits must be \[batch, classes\] with at least 2 classes; found shape"):
        loss(torch.zeros(shape), torch.zeros(4, dtype=torch.int64))


def test_an_inner_loss_of_training():
    net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3))
    objective = RATLP(net, layer="0", eps=0.1, loss=CustomLoss(entropy, inner=margin))
    out = objective(torch.randn(16, 2), torch.randint(3, (16,)))
    assert out.adversarial_loss > out.clean_loss
