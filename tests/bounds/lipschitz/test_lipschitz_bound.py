import math

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import orthogonal, spectral_norm, weight_norm
from utils.forwards import Forward
from utils.ratios import largest_ratio

from ratlp.bounds import lipschitz_bound
from ratlp.bounds.lipschitz import last_layer
from ratlp.errors import BoundError, InputError, RatlpError
from ratlp.models import mlp, small_cnn, wide_cnn

NORMS = ("linf", "l2")


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
    "bits of another type": (lambda m, x: m.a(x).view(torch.int32) * 1.0, "linf", "function view: there is no rule"),
    "by keyword": (lambda m, x: torch.flatten(input=m.a(x)), "linf", "tensors by position"),
    "concatenation by keyword": (lambda m, x: torch.cat(tensors=[m.a(x), m.b(x)]), "l2", "tensors by position"),
    "stack by keyword": (lambda m, x: torch.stack(tensors=(x, m.b(x)), dim=1), "linf", "tensors by position"),
    "random": (lambda m, x: x + torch.randn_like(x), "linf", "or is random"),
    "module by keyword": (lambda m, x: m.a(input=x), "linf", "called on one tensor"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_forwards_that_cannot_be_bounded_are_refused(name):
    function, norm, reason = REFUSED[name]
    with pytest.raises(BoundError, match=reason):
        lipschitz_bound(Forward(function), norm=norm, input_shape=(4,))


@pytest.mark.filterwarnings("ignore:This overload of add is deprecated")
def test_a_factor_between_the_operands_of_a_sum_is_refused():
    model = Forward(lambda m, x: torch.add(x, 3, m.a(x)))  # x + 3 a(x)
    with pytest.raises(BoundError, match="its rule is for two operands; found 3"):
        lipschitz_bound(model)


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


def test_every_refusal_is_an_error_of_the_project():
    assert issubclass(BoundError, RatlpError)
