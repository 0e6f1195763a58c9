"""Propagated budgets on odd models: what they take and return, compiled, checkpointed, in mixed precision."""

import copy

import pytest
import torch
from objective.boxed_nets import BUDGET, Checkpointed, convolutional, made, normalised, residual
from objective.literal_objective import assert_same
from torch import nn
from utils.architecture import build, cuts, run
from utils.architectures import PLAIN

from ratlp import RATLP
from ratlp.bounds import IntervalBound
from ratlp.errors import BoundError, InputError, RatlpError
from ratlp.latent.batch import first_input
from ratlp.latent.replay import latent_of
from ratlp.latent.trees import swapped
from ratlp.perturbations import Propagated


@pytest.fixture
def batch():
    return torch.rand(12, 1, 8, 8).double(), torch.randint(3, (12,))


@pytest.mark.parametrize("kind", ["tuple", "mapping", "in place", "tuple latent"])
def test_inputs_and_latents_of_other_kinds(kind, batch):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.body, self.head = nn.Linear(64, 12), nn.Linear(12, 8), nn.Linear(8, 3)

        def forward(self, x, attention_mask=None):
            x = x.flatten(1)
            if kind == "in place":
                x = x.clone()
                x *= 2.0
            z = self.body(self.first(x).relu_())
            if attention_mask is not None:
                z = z * attention_mask
            return {"logits": self.head(z.relu())}

    class Pair(nn.Linear):
        def forward(self, x):
            z = super().forward(x)
            return z, z.square()

    class Both(nn.Module):
        def forward(self, pair):
            return pair[0] + pair[1]

    x, y = batch
    model = Model()
    inputs = {"mapping": {"attention_mask": torch.rand(12, 8).double(), "x": x}, "tuple": (x,)}.get(kind, x)
    layer = "body"
    if kind == "tuple latent":
        model, layer = nn.Sequential(nn.Flatten(), Pair(64, 8), Both(), nn.Linear(8, 3)), "1"
    out = RATLP(model.double(), layer=layer, **BUDGET)(inputs, y)
    out.loss.backward()
    assert out.adversarial_loss > out.clean_loss
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_nets_have_no_rule(kind):
    class Last(nn.Module):
        def forward(self, output):
            return output[0][:, -1]

    model = nn.Sequential(kind(6, 8, batch_first=True), Last(), nn.Linear(8, 3))
    objective = RATLP(model, layer="1", perturbation=Propagated(0.1))
    with pytest.raises(BoundError, match=f"in {kind.__name__} '(model.)?0'"):
        objective(torch.rand(4, 5, 6), torch.randint(3, (4,)))


def test_token_ids_are_refused():
    model = nn.Sequential(nn.Embedding(10, 8), nn.Flatten(), nn.Linear(40, 3))
    objective = RATLP(model, layer="0", perturbation=Propagated(0.1))
    with pytest.raises(InputError, match=r"begins with a floating tensor; found torch\.int64, such as token ids"):
        objective(torch.randint(10, (4, 5)), torch.randint(3, (4,)))


def losses(model, x, y, **options):
    """Of two steps, so that what the first leaves behind shows."""
    objective = RATLP(model, layer="2", **BUDGET, **options)
    found = []
    for _ in range(2):
        objective.zero_grad()
        out = objective(x, y)
        out.loss.backward()
        found += [out.loss.item(), *(float(p.grad.norm()) for p in model.parameters())]
    return found


EAGER = {"backend": "eager"}


def compiled_in_place(model):
    model.compile(**EAGER)


def compiled_blocks(model):
    for i in (0, 1, 3, 4):
        model[i].compile(**EAGER)


def compiled_wrappers(model):
    for i in (0, 1, 3, 4):
        model[i] = torch.compile(model[i], **EAGER)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("change", [compiled_in_place, compiled_blocks, compiled_wrappers])
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch._dynamo's own
def test_compiled_models(change, training, batch):
    model = made(normalised, training=training)
    expected = losses(copy.deepcopy(model), *batch)
    change(model)
    found = losses(model, *batch)
    torch._dynamo.reset()
    assert found == pytest.approx(expected, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("layer", ["model.0", "model.3"])
@pytest.mark.parametrize("make", [convolutional, residual])
def test_activation_checkpointing(make, layer, batch):
    model = made(make, training=False)
    found = []
    for on in (False, True):
        objective = RATLP(Checkpointed(copy.deepcopy(model), on=on), layer=layer, **BUDGET)
        out = objective(*batch)
        out.loss.backward()
        found.append([out.loss, *(p.grad for p in objective.parameters())])
    assert_same(found[1], found[0], relative=1e-10)


@pytest.mark.parametrize("maximiser", [None, IntervalBound()])
def test_sharded_parameters_are_refused(maximiser, batch, monkeypatch):
    monkeypatch.setattr("ratlp.objective.conditions.is_sharded", lambda model: True)
    with pytest.raises(BoundError, match="found some that fully_shard has sharded: use DistributedDataParallel"):
        RATLP(made(convolutional), layer="3", maximiser=maximiser, **BUDGET)(*batch)


def test_checkpointed_norms_in_training_are_refused(batch):
    objective = RATLP(Checkpointed(made(residual), on=True), layer="model.3", **BUDGET)
    with pytest.raises(BoundError, match="found a BatchNorm in training in one"):
        objective(*batch).loss.backward()


def test_checkpointed_norms_after_the_layer(batch):
    found = []
    for on in (False, True):
        torch.manual_seed(0)
        objective = RATLP(Checkpointed(made(normalised), on=on), layer="model.0", **BUDGET)
        out = objective(*batch)
        out.loss.backward()
        found.append(torch.cat([p.grad.flatten() for p in objective.parameters()]))
    assert_same(found[1:], found[:1], relative=1e-10)


@pytest.mark.parametrize("make", [convolutional, normalised])
@pytest.mark.parametrize(("dtype", "relative"), [(torch.bfloat16, 0.1), (torch.float16, 0.02)])
def test_autocast_is_near_float32(make, dtype, relative, batch):
    x, y = batch[0].float(), batch[1]
    model = made(make).float()
    found = []
    for enabled in (True, False):
        twin = copy.deepcopy(model)
        with torch.autocast("cpu", dtype=dtype, enabled=enabled):
            out = RATLP(twin, layer="2", **BUDGET)(x, y)
        (1024 * out.loss).backward()
        found.append(torch.cat([p.grad.flatten() for p in twin.parameters()]))
        assert out.adversarial_loss > out.clean_loss
    assert (found[0] - found[1]).norm() <= relative * found[1].norm()


class Watched(Propagated):
    """Keeps the box of the last batch."""

    def within(self, reach):
        self.box = super().within(reach)
        return self.box


CUTS = {case.id: case for case in cuts(PLAIN)}
TOKENS = (
    *("sparse_embeddings", "recurrent", "packed_sequence", "attention", "transformer_encoder"),
    *("transformer_encoder_eval", "transformer_encoder_frozen", "language_model"),
)
REASONS = {
    "found torch.int64, such as token ids": [name for name in CUTS if name.split("-")[0] in TOKENS],
    "there is none for torch.Tensor.lerp_, called in OwnStatistics": [f"own_statistics-{layer}" for layer in "134"],
    "the order of an interval's coordinates is not determined": ["mixture_of_experts-head"],
    # State that a pass leaves behind: the next one meets the intervals of this one.
    "there is none for .*cross_entropy": [
        *(f"features_by_hooks-encoder{layer}" for layer in ("", ".1", ".2", ".3")),
        *("state_cleared_at_the_end-stages.1.linear", "state_cleared_at_the_end-stages.1"),
    ],
    "on the first batch its buffers differ": ["forward_by_name-layer", "forward_by_name-head"],
    "must not lie inside an activation checkpoint": [
        f"{name}-blocks.{inner}"
        for name in ("checkpointed", "checkpointed_batchnorm")
        for inner in ("1.0", "1.1", "2.2")
    ],
    "a BatchNorm in training in one": [f"checkpointed_batchnorm-{layer}" for layer in ("blocks.0", "blocks.1", "head")],
    "was not: choose a layer that the forward uses": ["transformer_encoder_frozen-encoder.layers.1.linear1"],
}
REFUSED = {name: reason for reason, names in REASONS.items() for name in names}


def assert_within(box, point):
    tolerance = 1e-9 * point.abs().max()
    assert ((point >= box.lower - tolerance) & (point <= box.upper + tolerance)).all()


def latent_at(model, layer, inputs):
    found = []
    handle = model.get_submodule(layer).register_forward_hook(lambda m, a, out: found.append(latent_of(m, out).clone()))
    with handle, torch.no_grad():
        run(model, inputs)
    return found[0]


@pytest.mark.parametrize("name", [name for name in CUTS if name not in REFUSED])
def test_every_odd_model_trains_within_its_box(name):
    architecture, layer = CUTS[name].values
    model, inputs, y = build(architecture)
    budget = Watched(0.01)
    out = RATLP(model, layer=layer, perturbation=budget)(inputs, y)
    out.loss.backward()
    assert_within(budget.box, out.latent)
    assert_within(budget.box, out.latent + out.delta)
    model.eval()
    RATLP(model, layer=layer, perturbation=budget)(inputs, y)
    x = first_input(inputs)
    for _ in range(20):
        attacked = swapped(inputs, x, x + 0.01 * torch.randn_like(x).sign())
        assert_within(budget.box, latent_at(model, layer, attacked))


@pytest.mark.parametrize("name", REFUSED)
def test_the_others_are_refused(name):
    architecture, layer = CUTS[name].values
    model, inputs, y = build(architecture)
    with pytest.raises(RatlpError, match=REFUSED[name]):
        RATLP(model, layer=layer, perturbation=Propagated(0.01))(inputs, y).loss.backward()
