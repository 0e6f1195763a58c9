import math

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import orthogonal, spectral_norm, weight_norm
from utils.ratios import largest_ratio

from ratlp.bounds import lipschitz_bound, lipschitz_parts, lipschitz_rule
from ratlp.bounds.lipschitz import last_layer
from ratlp.bounds.lipschitz.linear import linear
from ratlp.errors import BoundError, InputError, LayerError, RatlpError
from ratlp.models import EncoderClassifier, mlp, small_cnn, wide_cnn

NORMS = ("linf", "l2")


class Forward(nn.Module):
    """A module from a function of itself and x, with two linear layers of width 4 and buffers to use."""

    def __init__(self, function):
        super().__init__()
        self.a, self.b, self.act = nn.Linear(4, 4), nn.Linear(4, 4), nn.SiLU()
        self.register_buffer("mean", torch.tensor([0.5, -1.0, 2.0, 0.1]))
        self.register_buffer("table", torch.randn(3, 4))
        self.function = function

    def forward(self, x):
        return self.function(self, x)


def residual_block(m, x):
    out = functional.relu(m.a(x), inplace=True)
    out = m.b(out)
    out += x
    return functional.relu(out, inplace=True)


FOLLOWED = {
    "chain": lambda m, x: m.b(torch.relu(m.a(x))),
    "twice the same module": lambda m, x: m.a(m.a(x)),
    "residual": lambda m, x: x + m.b(functional.gelu(m.a(x))),
    "residual, negative": lambda m, x: m.a(x) - m.b(x),
    "residual, in place": lambda m, x: functional.relu(m.a(x), inplace=True) + x,
    "residual block": residual_block,
    "in place, last use": lambda m, x: m.b(m.a(x).relu_()),
    "two branches": lambda m, x: torch.cat([m.a(x), functional.silu(m.b(x))], dim=1),
    "stacked branches": lambda m, x: torch.stack([x, m.b(x), 0.5 * x], 1),
    "scaled": lambda m, x: 3 * torch.sigmoid(m.a(x)) / 2 - 1,
    "normalised": lambda m, x: m.b((x - m.mean) / m.mean),
    "parameter times": lambda m, x: m.mean * m.a(x),
    "constants": lambda m, x: m.a(x) + m.b(m.mean),
    "view": lambda m, x: m.b(m.a(x).view(x.size(0), -1)),
    "shape": lambda m, x: m.a(x).reshape(x.shape[0], 2, 2).flatten(1),
    "sliced": lambda m, x: m.a(x)[:, 1:3],
    "mean": lambda m, x: m.a(x).mean(1, keepdim=True),
    "mean of a function": lambda m, x: torch.mean(m.b(m.a(x)), 1),
    "pooled": lambda m, x: functional.max_pool1d(m.a(x).unsqueeze(1), 3, stride=1).squeeze(1),
    "averaged": lambda m, x: functional.avg_pool1d(m.a(x)[:, None], 2),
    "leaky": lambda m, x: functional.leaky_relu(m.a(x), 1.5),
    "dropout, off": lambda m, x: functional.dropout(m.a(x), 0.5, m.training),
    "softmax": lambda m, x: m.a(x).softmax(1),
    "negative": lambda m, x: -m.a(x),
    "defaults": lambda m, x, scale=2.0: scale * m.a(x),
}


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", FOLLOWED)
def test_no_pair_exceeds_the_bound_of_a_forward(name, norm):
    for _ in range(5):
        model = Forward(FOLLOWED[name]).double().eval()
        bound = lipschitz_bound(model, norm=norm, input_shape=(4,))
        steepest = largest_ratio(model, (4,), norm, pairs=600)
        assert steepest <= bound * (1 + 1e-8)
        assert bound <= 30 * steepest  # of use, too


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 4)

    def forward(self, x):
        return self.lin(x) if x.sum() > 0 else 1000 * self.lin(x)


def changed_after(m, x):
    h = m.a(x)
    out = m.b(h)
    h.add_(x)  # h is used again
    return out + h


def silu_before(m, x):
    h = m.a(x)
    moved = functional.silu(h, inplace=True)
    return moved + h


def through_a_view(m, x):
    h = m.a(x)
    functional.silu(h.view(-1, 4), inplace=True)
    return m.b(h)


def through_data(m, x):
    h = m.a(x)
    h.data.mul_(100)
    return m.b(h)


def into_another(m, x):
    h = m.a(x)
    torch.add(x, x, out=h)
    return m.b(h)


def several_at_once(m, x):
    h = m.a(x)
    torch._foreach_mul_([h], 100.0)
    return m.b(h)


def through_dropout(m, x):
    h = m.a(x)
    functional.dropout(h, training=False).mul_(100)
    return m.b(h)


def a_parameter(m, x):
    m.mean.add_(x[0])
    return m.a(x)


REFUSED = {
    "in place, through data": (through_data, "linf", "in-place operation must be the last use"),
    "in place, out": (into_another, "linf", "in-place operation must be the last use"),
    "in place, several": (several_at_once, "linf", "in-place operation must be the last use"),
    "in place, dropout": (through_dropout, "linf", "in-place operation must be the last use"),
    "in place, parameter": (a_parameter, "linf", "in-place operation must be the last use|could not be followed"),
    "slope from the input": (lambda m, x: functional.leaky_relu(m.a(x), x), "linf", "function leaky_relu|does not fit"),
    "product": (lambda m, x: m.a(x) * m.b(x), "linf", "must be a number"),
    "square": (lambda m, x: m.a(x) ** 2, "linf", "function pow"),
    "division": (lambda m, x: 1 / m.a(x), "linf", "must be a number"),
    "matmul": (lambda m, x: x @ m.a.weight, "linf", "function matmul"),
    "division by zero": (lambda m, x: x / 0.0, "linf", "divides by 0"),
    "broadcast sum": (lambda m, x: x + m.table.unsqueeze(1), "l2", "repeats an operand|give input_shape"),
    "broadcast branches": (lambda m, x: m.a(x).unsqueeze(1) + m.b(x).unsqueeze(2), "l2", "repeats an operand"),
    "index": (lambda m, x: x[:, [0, 0]], "l2", "slices and numbers"),
    "loop over values": (lambda m, x: x * int(x.sum()), "linf", "could not be followed"),
    "two outputs": (lambda m, x: (m.a(x), x), "linf", "returns one tensor; found tuple"),
    "in place, used again": (changed_after, "linf", "in-place operation must be the last use"),
    "in place, both used": (silu_before, "linf", "in-place operation must be the last use"),
    "in place, through a view": (through_a_view, "linf", "in-place operation must be the last use"),
    "dropout, on": (lambda m, x: functional.dropout(m.a(x), 0.5), "linf", "random"),
    "alpha": (lambda m, x: torch.add(x, m.a(x), alpha=3), "linf", r"positional arguments; found \['alpha'\]"),
    "by keyword": (lambda m, x: torch.flatten(input=m.a(x)), "linf", "tensors by position"),
    "random": (lambda m, x: x + torch.randn_like(x), "linf", "function randn_like"),
    "module by keyword": (lambda m, x: m.a(input=x), "linf", "called on one tensor"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_forwards_that_cannot_be_bounded_are_refused(name):
    function, norm, reason = REFUSED[name]
    with pytest.raises(BoundError, match=reason):
        lipschitz_bound(Forward(function), norm=norm, input_shape=(4,))


def test_control_flow_on_values_is_refused_though_one_run_would_not_show_it():
    with pytest.raises(BoundError, match="could not be followed"):
        lipschitz_bound(Branching())


class Checked(nn.Module):
    """Looks at shapes only."""

    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 4)

    def forward(self, x):
        if x.dim() != 2 or x.ndim != 2 or x.size(1) != 4 or len(x) != x.shape[0] or tuple(x.size()) != tuple(x.shape):
            raise ValueError("no")
        return self.lin(x.reshape(x.shape[0], 2, 2).flatten(1)) * self.lin.bias.shape[0]


def test_shapes_may_be_looked_at_where_they_are_known():
    model = Checked()
    assert math.isclose(lipschitz_bound(model, input_shape=(4,)), 4 * lipschitz_bound(model.lin))
    with pytest.raises(BoundError, match="give input_shape if it looks at shapes"):
        lipschitz_bound(model)
    with pytest.raises(BoundError, match="ValueError: no"):
        lipschitz_bound(model, input_shape=(2, 2))
    with pytest.raises(BoundError, match="could not be followed"):
        lipschitz_bound(Branching(), input_shape=(4,))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("make", [small_cnn, wide_cnn])
def test_the_projects_own_nets(make, norm):
    model = make((1, 8, 8)).double().eval()
    for shape in ((1, 8, 8), (64,)):
        bound = lipschitz_bound(model, norm=norm, input_shape=shape)
        assert largest_ratio(model, shape, norm, pairs=60, points=2) <= bound
    assert last_layer(model, layer="features", input_shape=(64,)).takes_latent


def test_the_sample_that_shows_the_shapes_moves_no_statistics():
    model = Forward(lambda m, x: m.b(m.mean.add_(m.a(x)[0])))
    before = model.mean.clone()
    with pytest.raises(BoundError, match="in-place"):
        lipschitz_bound(model, input_shape=(4,))
    assert torch.equal(model.mean, before)
    norm = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).train()
    with pytest.raises(BoundError, match="batch's statistics"):
        lipschitz_bound(norm, input_shape=(4,))
    assert norm[1].num_batches_tracked == 0
    assert norm[1].training


def test_a_broadcast_sum_is_fine_under_linf():
    assert lipschitz_bound(Forward(REFUSED["broadcast sum"][0])) == 1.0


def test_hooks_are_refused():
    model = nn.Sequential(nn.Linear(2, 2))
    handle = model[0].register_forward_hook(lambda module, args, output: 100 * output)
    with pytest.raises(BoundError, match=r"found one on '0' \(Linear\)"):
        lipschitz_bound(model)
    handle.remove()
    model[0].register_forward_pre_hook(lambda module, args: (100 * args[0],))
    with pytest.raises(BoundError, match="found one on '0'"):
        lipschitz_bound(model)


def test_an_unknown_norm():
    with pytest.raises(InputError, match="norm must be 'linf' or 'l2'; found 'l1'"):
        lipschitz_bound(nn.ReLU(), norm="l1")


def test_an_input_shape_that_does_not_fit():
    with pytest.raises(BoundError, match=r"input_shape \(3,\) does not fit"):
        lipschitz_bound(nn.Linear(2, 2), input_shape=(3,))


def test_an_error_of_a_rule_names_the_module():
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2)))
    with pytest.raises(BoundError, match=r"at '1.0': no linf Lipschitz bound of BatchNorm1d"):
        lipschitz_bound(model)


def test_nothing_is_left_behind():
    class Remembers(nn.Module):
        def __init__(self):
            super().__init__()
            self.lin, self.last = nn.Linear(2, 2), None

        def forward(self, x):
            self.last = self.lin(x)
            return self.last

    model = nn.Sequential(Remembers(), nn.BatchNorm1d(2)).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    lipschitz_bound(model, input_shape=(2,))
    assert model[0].last is None
    assert not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_a_compiled_model_is_bounded_as_its_own():
    model = mlp(3, classes=2)
    own = lipschitz_bound(model)
    assert lipschitz_bound(torch.compile(model, backend="eager")) == own
    model.classifier.compile(backend="eager")
    assert lipschitz_bound(model) == own
    model.compile(backend="eager")
    assert lipschitz_bound(model) == own


@pytest.mark.parametrize("parametrization", [orthogonal, weight_norm, spectral_norm])
def test_parametrised_weights(parametrization):
    layer = parametrization(nn.Linear(6, 6)).eval()
    for norm in NORMS:
        steepest = largest_ratio(lambda x: x @ layer.weight.detach().double().T, (6,), norm)
        assert math.isclose(lipschitz_bound(layer, norm=norm), steepest, rel_tol=1e-6)
    if parametrization is orthogonal:
        assert math.isclose(lipschitz_bound(layer, norm="l2"), 1, rel_tol=1e-6)


def test_spectral_norm_in_training_is_refused():
    with pytest.raises(BoundError, match="changes with each pass"):
        lipschitz_bound(nn.Sequential(spectral_norm(nn.Linear(2, 2))))


def test_the_old_weight_norm_is_a_hook():
    with pytest.warns(FutureWarning, match="weight_norm"):
        layer = torch.nn.utils.weight_norm(nn.Linear(2, 2))
    with pytest.raises(BoundError, match="parametrizations"):
        lipschitz_bound(layer)


@pytest.mark.parametrize("norm", NORMS)
def test_parts_multiply_to_the_whole(norm):
    net = mlp(3, classes=4)
    parts = lipschitz_parts(net, layer="encoder", norm=norm)
    assert parts.f == lipschitz_bound(net.encoder, norm=norm)
    assert parts.g == lipschitz_bound(net.classifier, norm=norm)
    assert math.isclose(parts.whole, parts.f * parts.g)
    assert parts.to_dict() == {"layer": "encoder", "norm": norm, "f": parts.f, "g": parts.g, "whole": parts.whole}


def test_what_passes_the_latent_by_is_held_fixed_in_g_and_counted_in_the_whole():
    model = Forward(lambda m, x: m.b(m.a(x)) + 5 * x)
    parts = lipschitz_parts(model, layer="a")
    a, b = lipschitz_bound(model.a), lipschitz_bound(model.b)
    assert parts.f == a
    assert parts.g == b
    assert math.isclose(parts.whole, a * b + 5)


def test_modules_before_the_layer_need_no_rule_for_g():
    model = EncoderClassifier(nn.Sequential(nn.Linear(2, 2), nn.Hardshrink()), nn.Linear(2, 2))
    assert last_layer_g(model) == 1.0
    with pytest.raises(BoundError, match="Hardshrink"):
        lipschitz_parts(model, layer="encoder")


def last_layer_g(model):
    from ratlp.bounds.lipschitz.bound import latent_node
    from ratlp.bounds.lipschitz.composition import Composition
    from ratlp.bounds.lipschitz.tracing import trace

    traced = trace(model)
    latent = latent_node(traced, model, "encoder")
    return Composition(traced, "linf").constant(latent, latent)


def test_calls_of_a_layer():
    model = Forward(lambda m, x: m.b(m.act(m.a(m.act(x)))))
    silu = lipschitz_bound(nn.SiLU())
    assert lipschitz_parts(model, layer="act#1").f == silu
    assert lipschitz_parts(model, layer="act#2").g == lipschitz_bound(model.b)
    assert lipschitz_parts(model, layer="input").f == 1.0
    with pytest.raises(LayerError, match="found 2 calls"):
        lipschitz_parts(model, layer="act")
    with pytest.raises(LayerError, match="found 2 calls"):
        lipschitz_parts(model, layer="act#3")
    with pytest.raises(LayerError, match="submodule"):
        lipschitz_parts(model, layer="nowhere")


def test_a_layer_of_several_outputs_or_never_called():
    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.pair, self.unused = Pair(), nn.Linear(2, 2)

        def forward(self, x):
            return self.pair(x)[0]

    with pytest.raises(LayerError, match="must return one tensor"):
        lipschitz_parts(Model(), layer="pair")
    with pytest.raises(LayerError, match="found 0 calls"):
        lipschitz_parts(Model(), layer="unused")


def test_the_last_layer():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Identity(), nn.Linear(8, 3))
    direct = last_layer(net, layer="1")
    assert direct.module is net[4]
    assert direct.takes_latent
    assert direct.g == 1.0
    assert not last_layer(net, layer="0").takes_latent  # a ReLU between
    assert last_layer(net, layer="4") is None
    assert last_layer(nn.Sequential(net, nn.Tanh()), layer="0.1") is None
    shared = nn.Linear(2, 2)
    assert last_layer(nn.Sequential(shared, nn.ReLU(), shared), layer="1") is None


def test_a_linear_subclass_with_a_rule_of_its_own_is_no_linear_head():
    class Squashed(nn.Linear):
        def forward(self, x):
            return 10 * torch.sin(super().forward(x))

    lipschitz_rule(Squashed)(lambda module, norm, shape: 10 * linear(module, norm))
    assert last_layer(nn.Sequential(nn.Tanh(), Squashed(2, 2)), layer="0") is None


def test_every_refusal_is_an_error_of_the_project():
    assert issubclass(BoundError, RatlpError)
