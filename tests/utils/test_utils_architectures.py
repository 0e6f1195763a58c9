"""The architectures do what the tests that use them take for granted, and the literal step is Algorithm 1."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from utils.architectures import PLAIN, build, cuts, logits_of, run
from utils.feedforward import inplace_mlp, loop_over_blocks, mlp
from utils.literal import (
    assert_buffers_equal,
    assert_gradients_match,
    literal_step,
    parameter_gradients,
)
from utils.sequences import checkpointed, checkpointed_batchnorm, recurrent
from utils.transformers_models import TRANSFORMERS
from utils.wiring import identity_taps

ALL = (*PLAIN, *TRANSFORMERS)
each = pytest.mark.parametrize("architecture", ALL, ids=lambda a: a.name)


@each
def test_the_model_is_small_in_float64_and_trains_something(architecture):
    model, _, y = build(architecture)
    parameters = list(model.parameters())
    assert {p.dtype for p in parameters} == {torch.float64}
    assert sum(p.numel() for p in parameters) < 10_000
    assert any(p.requires_grad for p in parameters)
    assert set(y.tolist()) == {0, 1, 2}


@each
def test_the_forward_is_deterministic_and_gives_logits(architecture):
    model, inputs, y = build(architecture)
    first, second = (logits_of(run(model, inputs)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.dtype == torch.float64
    assert first.dim() == 2
    assert len(first) == len(y)


@each
def test_the_same_seed_builds_the_same(architecture):
    (model, inputs, y), (twin, twin_inputs, twin_y) = build(architecture), build(architecture)
    assert torch.equal(logits_of(run(model, inputs)), logits_of(run(twin, twin_inputs)))
    assert torch.equal(y, twin_y)


@each
def test_each_layer_is_called_once_a_forward(architecture):
    model, inputs, _ = build(architecture)
    calls = []
    for layer in architecture.layers:
        model.get_submodule(layer).register_forward_hook(lambda *_, layer=layer: calls.append(layer))
    run(model, inputs)
    assert sorted(calls) == sorted(architecture.layers)


@pytest.mark.parametrize(("architecture", "layer"), cuts(ALL))
def test_without_a_perturbation_the_literal_step_is_the_plain_loss(architecture, layer):
    model, inputs, y = build(architecture)
    twin, _, _ = build(architecture)
    clean = cross_entropy(logits_of(run(twin, inputs)), y)
    plain = parameter_gradients(clean, twin)

    loss, gradients = literal_step(model, inputs, y, layer=layer, eps=0.0, weight=0.7)

    assert loss.item() == pytest.approx(1.7 * clean.item(), rel=1e-12)
    expected = {name: None if g is None else 1.7 * g for name, g in plain.items()}
    put(gradients, model)
    assert_gradients_match(model, expected)


@pytest.mark.parametrize(("architecture", "layer"), cuts(ALL))
def test_the_perturbation_changes_the_loss_and_the_buffers_move_once(architecture, layer):
    model, inputs, y = build(architecture)
    twin, _, _ = build(architecture)
    with torch.no_grad():
        clean = cross_entropy(logits_of(run(twin, inputs)), y)
    loss, _ = literal_step(model, inputs, y, layer=layer, eps=1e-4, weight=1.0)
    assert loss != 2 * clean
    assert_buffers_equal(model, twin)


def written_out_mlp(model, x):
    z = model[:2](x)
    return z, lambda z: model[2:](z)


def written_out_skip(model, x):
    """z goes through the layer's output alone, not round it."""
    stream = model.stem(x)

    def rest(z):
        out = stream + model.body(z.tanh())
        return model.head(out * out)

    return stream.clone(), rest


def written_out_tuple(model, x):
    hidden, (state, cell) = model.lstm(model.embed(x))

    def rest(z):
        out, _ = model.gru(z + cell[0].unsqueeze(1))
        return model.head(torch.cat([out[:, -1], state[0]], 1).tanh())

    return hidden, rest


WRITTEN_OUT = [
    (mlp, "1", written_out_mlp),
    (identity_taps, "tap", written_out_skip),
    (recurrent, "lstm", written_out_tuple),
]


class TestLiteralStep:
    @pytest.mark.parametrize(("architecture", "layer", "written_out"), WRITTEN_OUT)
    def test_is_algorithm_1_written_out(self, architecture, layer, written_out):
        model, x, y = build(architecture)
        loss, gradients = literal_step(model, x, y, layer=layer, eps=0.1, weight=0.7)

        z, rest = written_out(model, x)
        clean = cross_entropy(rest(z), y)
        (gradient,) = torch.autograd.grad(clean, z, retain_graph=True)
        expected = clean + 0.7 * cross_entropy(rest(z + 0.1 * gradient.sign()), y)

        assert loss.item() == pytest.approx(expected.item(), rel=1e-14)
        expected.backward()
        assert_gradients_match(model, gradients, relative=1e-13)

    @pytest.mark.parametrize("layer", mlp.layers)
    def test_does_not_mind_inplace_operations(self, layer):
        assert_same(step_of(mlp, layer), step_of(inplace_mlp, layer))

    @pytest.mark.parametrize("layer", checkpointed.layers)
    @pytest.mark.parametrize("architecture", [checkpointed, checkpointed_batchnorm], ids=lambda a: a.name)
    def test_does_not_mind_activation_checkpointing(self, architecture, layer, monkeypatch):
        with_checkpoints = step_of(architecture, layer)
        monkeypatch.setattr("utils.sequences.checkpoint", lambda block, x, **_: block(x))
        assert_same(step_of(architecture, layer), with_checkpoints)

    def test_leaves_the_model_as_it_was(self):
        model, x, y = build(checkpointed)
        literal_step(model, x, y, layer="blocks.1", eps=0.1, weight=0.7)
        assert all(p.grad is None for p in model.parameters())
        assert not any(m._forward_hooks for m in model.modules())

    def test_a_layer_that_is_not_called(self):
        model, x, y = build(loop_over_blocks)
        with pytest.raises(AssertionError, match=r"did not call 'blocks\.3'"):
            literal_step(model, x, y, layer="blocks.3", eps=0.1, weight=0.7)


class TestAssertGradientsMatch:
    def test_finds_one_wrong_entry(self):
        model, x, y = build(mlp)
        _, gradients = literal_step(model, x, y, layer="1", eps=0.1, weight=0.7)
        put(gradients, model)
        assert_gradients_match(model, gradients)
        model[2].weight.grad = model[2].weight.grad.clone()
        model[2].weight.grad[1, 2] += 1e-6
        with pytest.raises(AssertionError, match=r"2\.weight"):
            assert_gradients_match(model, gradients)

    def test_nan_is_wrong(self):
        model = nn.Linear(2, 2)
        model.weight.grad = torch.full((2, 2), torch.nan)
        with pytest.raises(AssertionError, match="weight: nan"):
            assert_gradients_match(model, {"weight": torch.ones(2, 2), "bias": None})

    def test_none_is_zeros(self):
        model = nn.Linear(2, 2)
        model.weight.grad = torch.zeros(2, 2)
        assert_gradients_match(model, {"weight": None, "bias": torch.zeros(2)})

    def test_every_trained_parameter_must_be_named(self):
        with pytest.raises(AssertionError):
            assert_gradients_match(nn.Linear(2, 2), {"weight": None})

    def test_a_frozen_parameter_has_no_gradient(self):
        model = nn.Linear(2, 2)
        model.bias.requires_grad_(False).grad = torch.zeros(2)
        with pytest.raises(AssertionError, match="frozen"):
            assert_gradients_match(model, {"weight": None})


def test_buffers_that_differ_are_named():
    norm = nn.BatchNorm1d(2)
    twin = copy.deepcopy(norm)
    norm(torch.randn(4, 2))
    with pytest.raises(AssertionError, match="running_mean"):
        assert_buffers_equal(norm, twin)


def step_of(architecture, layer):
    """The literal step on a model built anew."""
    model, inputs, y = build(architecture)
    return literal_step(model, inputs, y, layer=layer, eps=0.1, weight=0.7)


def assert_same(step, other):
    """Two steps with the same loss and gradients."""
    assert step[0].item() == pytest.approx(other[0].item(), rel=1e-14)
    for name, gradient in step[1].items():
        torch.testing.assert_close(gradient, other[1][name], rtol=1e-12, atol=1e-14)


def put(gradients, model):
    """The gradients as the parameters' own."""
    for name, gradient in gradients.items():
        model.get_parameter(name).grad = gradient
