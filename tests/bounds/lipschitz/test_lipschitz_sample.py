"""Where the input's shape is known, the steps that were followed must give what the model gives."""

import types

import pytest
import torch
from torch import Tensor, nn
from utils.forwards import Forward

from ratlp.bounds import lipschitz_bound
from ratlp.errors import BoundError

ANOTHER_WAY = {
    "a tensor": lambda m, x: m.a(x * 5 if isinstance(x, Tensor) else x),
    "is_tensor": lambda m, x: m.a(x * 5 if torch.is_tensor(x) else x),
    "a type": lambda m, x: m.a(x * 5 if type(x) is Tensor else x),
    "itself": lambda m, x: m.a(x * 5 if x is x.contiguous() else x),
    "in words": lambda m, x: m.a(x * 5 if "tensor" in repr(x) else x),
    "a shape": lambda m, x: torch.cat([m.a(x), m.b(x)], 1) if isinstance(x, Tensor) else m.a(x),
    "a tuple": lambda m, x: (m.a(x), x) if isinstance(x, Tensor) else m.a(x),
    "a truth": lambda m, x: m.a(x) > 0 if isinstance(x, Tensor) else m.a(x),
    "nothing": lambda m, x: m.a(x) if isinstance(x, Tensor) else m.table,
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ANOTHER_WAY)
def test_another_way_for_another_type_shows_on_the_sample(name, training):
    model = Forward(ANOTHER_WAY[name]).train(training)
    with pytest.raises(BoundError, match="the same steps with a symbol as with a tensor"):
        lipschitz_bound(model, input_shape=(4,))
    assert model.training == training


def test_a_constant_model_has_the_constant_0():
    assert lipschitz_bound(Forward(lambda m, x: m.table).eval(), input_shape=(4,)) == 0


def test_an_infinite_logit_hides_no_other():
    masked = torch.tensor([0.0, 0.0, 0.0, -torch.inf])
    model = Forward(lambda m, x: m.a(5 * x if isinstance(x, Tensor) else x) + m.mask).eval()
    model.register_buffer("mask", masked)
    with pytest.raises(BoundError, match="the same steps with a symbol"):
        lipschitz_bound(model, input_shape=(4,))


def test_what_is_kept_elsewhere_from_run_to_run_is_refused():
    kept = types.SimpleNamespace(mean=0.0)

    def keeping(m, x):
        h = m.a(x)
        kept.mean = 0.1 * h + 0.9 * kept.mean
        return m.b(h)

    with pytest.raises(BoundError, match="keeps what it computes in attributes of its modules alone"):
        lipschitz_bound(Forward(keeping).eval(), input_shape=(4,))


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 3)
        self.register_buffer("mean", torch.ones(4))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        self.mean.mul_(0.9).add_(0.1 * x.detach().mean(0))
        return self.lin(x)


@pytest.mark.parametrize("shape", [None, (4,)])
def test_buffers_and_random_state_are_as_before(shape):
    model, noisy = Counting().eval(), Forward(lambda m, x: x + torch.randn_like(x)).eval()
    state = torch.get_rng_state()
    with pytest.raises(BoundError):
        lipschitz_bound(model, input_shape=shape)
    assert torch.equal(model.mean, torch.ones(4))
    assert model.calls == 0
    with pytest.raises(BoundError):
        lipschitz_bound(noisy, input_shape=(4,))
    assert torch.equal(torch.get_rng_state(), state)
