import pytest
import torch
from torch import nn
from utils.model_state import same, state_of
from utils.sequences import LastOutput

from ratlp.attacks import PGD
from ratlp.certificates import certify
from ratlp.errors import InputError
from ratlp.evaluation import Attack, evaluate
from ratlp.latent.on_loan import on_loan
from ratlp.perturbations import LInf


def made():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 4), nn.Linear(4, 4))
    model[4].weight = model[3].weight  # tied
    model[1].eval()
    model(torch.randn(8, 3)).sum().backward()
    return model


@pytest.mark.parametrize("dtype", [None, torch.float64])
@pytest.mark.parametrize("raises", [False, True])
def test_all_is_as_before(dtype, raises):
    model, x = made(), torch.randn(6, 3)
    before = state_of(model)
    try:
        with on_loan(model, dtype=dtype):
            logits = model(x.to(dtype or x.dtype))
            assert logits.dtype is (dtype or x.dtype)
            assert not logits.requires_grad
            assert not any(module.training for module in model.modules())
            assert model[4].weight is model[3].weight
            for module in model.modules():
                for name, buffer in module.named_buffers(recurse=False):
                    setattr(module, name, buffer + 1)
            if raises:
                raise RuntimeError
    except RuntimeError:
        assert raises
    assert same(before, state_of(model))


def test_it_computes_what_a_copy_in_that_precision_computes():
    import copy

    model, x = made(), torch.randn(6, 3, dtype=torch.float64)
    expected = copy.deepcopy(model).double().eval()(x)
    with on_loan(model, dtype=torch.float64):
        assert torch.equal(model(x), expected)


def test_recurrent_nets():
    model, x, enabled = LastOutput(), torch.randn(2, 4, 3), torch.backends.cudnn.enabled
    expected = model(x).double()
    with on_loan(model, dtype=torch.float64):
        assert not torch.backends.cudnn.enabled
        assert torch.allclose(model(x.double()), expected, atol=1e-5)
    assert torch.backends.cudnn.enabled == enabled
    assert torch.equal(model(x).double(), expected)


@pytest.mark.parametrize("dtype", [None, torch.float64])
def test_no_weight_takes_a_gradient_meanwhile(dtype):
    model = nn.Linear(3, 2)
    with on_loan(model, dtype=dtype):
        logits = model(torch.rand(4, 3, dtype=dtype).requires_grad_())
        assert logits.requires_grad
        assert not any(p.requires_grad for p in model.parameters())
    assert all(p.requires_grad for p in model.parameters())


def test_a_graph_from_before_is_still_good():
    model, x = made(), torch.randn(6, 3)
    loss, parameters = model(x).square().sum(), list(model.parameters())
    expected = torch.autograd.grad(loss, parameters, retain_graph=True)
    with on_loan(model, dtype=torch.float64):
        model(x.double())
    assert all(map(torch.equal, torch.autograd.grad(loss, parameters), expected))


class Merging(nn.Linear):
    """As LoRA layers that merge their weights when they are told of evaluation, and part them again."""

    def train(self, mode=True):
        self.weight.data *= 2 if self.training and not mode else 1
        return super().train(mode)


def test_modes_are_set_without_what_a_model_does_on_being_told():
    model = nn.Sequential(Merging(3, 2))
    weight = model[0].weight.detach().clone()
    with on_loan(model):
        assert not model[0].training
        assert torch.equal(model[0].weight, weight)
    assert model[0].training
    assert torch.equal(model[0].weight, weight)


@pytest.mark.parametrize("module", [nn.LazyLinear(3), nn.LazyBatchNorm1d(affine=False)])
@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_a_model_without_weights_is_refused(module):
    model = nn.Sequential(module).train()
    with (
        pytest.raises(InputError, match=r"must have its weights; found '0\.\w+' lazy: run the model once"),
        on_loan(model),
    ):
        pass
    assert model[0].training


def test_a_model_made_in_inference_mode():
    with torch.inference_mode():
        model, x = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3)), torch.rand(5, 3)
    certify(model, x, torch.tensor([0, 1, 2, 0, 1]), eps=0.1)
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.encoder(x).mean(1))


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("layer", ["encoder.layers.0", "encoder.layers.1.linear1", "encoder.layers.0.norm1"])
def test_layers_within_torchs_transformers_are_called(layer, enabled, monkeypatch):
    monkeypatch.setattr(torch.backends.mha, "_is_fastpath_enabled", enabled)
    torch.manual_seed(0)
    model, x = Encoder().eval(), torch.rand(6, 5, 4)
    with torch.no_grad():
        y = model(x).argmax(1)
    found = evaluate(model, x, y, [Attack("pgd", PGD(steps=3), LInf(3.0), layer=layer)])
    assert found.worst_case.share < found.clean.share == 1
    assert torch.backends.mha.get_fastpath_enabled() == enabled
