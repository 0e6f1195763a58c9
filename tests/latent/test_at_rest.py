import pytest
import torch
from torch import nn

from ratlp.latent.at_rest import at_rest


def made():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 4), nn.Linear(4, 4))
    model[4].weight = model[3].weight  # tied
    model[1].eval()
    model(torch.randn(8, 3)).sum().backward()
    return model


def state(model):
    return (
        [module.training for module in model.modules()],
        [(id(p), p.requires_grad, id(p.grad), p.detach().clone(), p.grad.clone()) for p in model.parameters()],
        [(id(b), b.clone()) for b in model.buffers()],
        torch.get_rng_state(),
    )


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize("dtype", [None, torch.float64])
@pytest.mark.parametrize("raises", [False, True])
def test_all_is_as_before(dtype, raises):
    model, x = made(), torch.randn(6, 3)
    before = state(model)
    try:
        with at_rest(model, x, dtype=dtype):
            logits = model(x.to(dtype or x.dtype))
            assert not logits.requires_grad
            assert not any(module.training for module in model.modules())
            assert model[4].weight is model[3].weight
            for module in model.modules():
                for name, buffer in module.named_buffers(recurse=False):
                    setattr(module, name, buffer + 1)
            torch.rand(3)
            if raises:
                raise RuntimeError
    except RuntimeError:
        assert raises
    assert same(before, state(model))


def test_it_computes_what_a_copy_in_that_precision_computes():
    import copy

    model, x = made(), torch.randn(6, 3, dtype=torch.float64)
    expected = copy.deepcopy(model).double().eval()(x)
    with at_rest(model, x, dtype=torch.float64):
        assert torch.equal(model(x), expected)


def test_compiled_modules_run_their_own_forward():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    model[0].compile(backend="eager")
    called = []
    compiled = model[0]._compiled_call_impl
    model[0]._compiled_call_impl = lambda *args, **kwargs: called.append(1) or compiled(*args, **kwargs)
    with at_rest(model, torch.zeros(1)):
        model(torch.zeros(1, 2))
    assert not called
