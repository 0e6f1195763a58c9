import copy

import pytest
import torch
from torch import nn

from ratlp import RATLP
from ratlp.attacks import PGD
from ratlp.objective.adversarial_pass import AdversarialPass


def dropout_model():
    return nn.Sequential(nn.Linear(6, 16), nn.Dropout(0.5), nn.Linear(16, 3))


def norm_model():
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Linear(16, 8), nn.BatchNorm1d(8))


@pytest.fixture
def batch():
    return torch.randn(20, 6), torch.randint(3, (20,))


@pytest.mark.parametrize("maximiser", [None, PGD(steps=3)])
def test_same_dropout_draws_the_clean_masks_again(batch, maximiser):
    def losses(**options):
        objective = RATLP(dropout_model(), layer="0", eps=0.0, maximiser=maximiser, **options)
        out = objective(*batch)
        return out.clean_loss, out.adversarial_loss

    clean, adversarial = losses(adversarial_pass=AdversarialPass(same_dropout=True))
    assert torch.equal(clean, adversarial)  # eps = 0: the passes differ by their masks alone
    clean, adversarial = losses()
    assert not torch.equal(clean, adversarial)


def test_the_generator_goes_on_as_after_the_clean_pass(batch):
    model = dropout_model()
    torch.manual_seed(1)
    model(batch[0])
    expected = torch.rand(3)
    torch.manual_seed(1)
    RATLP(model, layer="0", eps=0.1, adversarial_pass=AdversarialPass(same_dropout=True))(*batch)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("maximiser", [None, PGD(steps=3)])
@pytest.mark.parametrize("layer", ["input", "0", "1", "2", "3"])
def test_running_statistics_move_with_the_clean_batch_alone(batch, layer, maximiser):
    model = norm_model()
    twin = copy.deepcopy(model)
    RATLP(model, layer=layer, eps=0.5, maximiser=maximiser)(*batch).loss.backward()
    twin(batch[0])
    for (name, found), (_, expected) in zip(model.named_buffers(), twin.named_buffers(), strict=True):
        assert torch.equal(found, expected), name


def test_running_statistics_move_with_both_if_asked(batch):
    model = norm_model()
    policy = AdversarialPass(moves_statistics=True)
    RATLP(model, layer="0", eps=0.5, maximiser=PGD(steps=3), adversarial_pass=policy)(*batch)
    assert [int(model[i].num_batches_tracked) for i in (1, 3)] == [2, 2]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_everything_is_restored_when_the_model_raises(batch, error):
    class Breaking(nn.Module):
        def forward(self, x):
            raise error("broken")

    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(), Breaking(), nn.Linear(8, 3))
    before = [set(vars(module)) for module in model.modules()]
    with pytest.raises(error, match="broken"):
        RATLP(model, layer="0", eps=0.1, adversarial_pass=AdversarialPass(same_dropout=True))(*batch)
    assert [set(vars(module)) for module in model.modules()] == before
    assert model[1].track_running_stats
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
