import copy
import math

import pytest
import torch
from objective.literal_objective import assert_same, gradients, literal_loss
from torch import nn
from torch.nn.functional import cross_entropy

from ratlp import RATLP
from ratlp.attacks import FGSM
from ratlp.errors import InputError, LayerError, RatlpError
from ratlp.models import EncoderClassifier, mlp
from ratlp.perturbations import LInf


def deep_head_mlp():
    encoder = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 8))
    classifier = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))
    return EncoderClassifier(encoder, classifier).double(), torch.randn(20, 6).double()


def linear_head_mlp():
    return mlp(6, classes=3).double(), torch.randn(20, 6).double()


def inplace_head_mlp():
    classifier = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(8, 3))
    return EncoderClassifier(nn.Linear(6, 8), classifier).double(), torch.randn(20, 6).double()


def cnn():
    encoder = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
    classifier = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
    return EncoderClassifier(encoder, classifier).double(), torch.randn(20, 1, 10, 10).double()


MODELS = [linear_head_mlp, deep_head_mlp, inplace_head_mlp, cnn]


def literal_of(model, x, y, *, eps, weight):
    return literal_loss(model.encoder, model.classifier, x, y, eps=eps, weight=weight)


def labels(x, classes=3):
    return torch.randint(classes, (len(x),))


class TestAgainstAlgorithm1:
    @pytest.mark.parametrize("make", MODELS)
    @pytest.mark.parametrize("eps", [0.0, 0.03, 0.1, 1.0])
    @pytest.mark.parametrize("weight", [0.0, 0.3, 1.0, 10.0])
    def test_loss_and_every_gradient(self, make, eps, weight):
        model, x = make()
        twin = copy.deepcopy(model)
        if make is inplace_head_mlp:
            twin.classifier[0] = nn.ReLU()  # the literal version cannot differentiate past in-place
        y = labels(x)

        out = RATLP(model, layer="encoder", eps=eps, weight=weight)(x, y)
        out.loss.backward()
        expected = literal_of(twin, x, y, eps=eps, weight=weight)

        assert out.loss.item() == pytest.approx(expected.item(), rel=1e-10)
        actual = [p.grad for p in model.parameters()]
        assert_same(actual, gradients(expected, twin.parameters()), relative=1e-10)

    @pytest.mark.parametrize("frozen", ["encoder", "classifier", "classifier.0.weight"])
    def test_frozen_parameters(self, frozen):
        model, x = deep_head_mlp()
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(not name.startswith(frozen))
        twin = copy.deepcopy(model)
        y = labels(x)

        RATLP(model, layer="encoder", eps=0.1)(x, y).loss.backward()
        expected = gradients(literal_of(twin, x, y, eps=0.1, weight=1.0), twin.parameters())

        trained = [p for p in model.parameters() if p.requires_grad]
        assert_same([p.grad for p in trained], expected, relative=1e-10)
        assert all(p.grad is None for p in model.parameters() if not p.requires_grad)

    def test_tied_weights_across_the_cut(self):
        shared = nn.Linear(6, 6)
        model = EncoderClassifier(nn.Sequential(shared, nn.Tanh()), nn.Sequential(shared, nn.Linear(6, 3))).double()
        x = torch.randn(20, 6).double()
        y = labels(x)
        RATLP(model, layer="encoder", eps=0.1)(x, y).loss.backward()
        expected = gradients(literal_of(model, x, y, eps=0.1, weight=1.0), model.parameters())
        assert_same([p.grad for p in model.parameters()], expected, relative=1e-10)

    def test_the_input_has_its_gradient(self):
        model, x = deep_head_mlp()
        x.requires_grad_()
        y = labels(x)
        RATLP(model, layer="encoder", eps=0.1)(x, y).loss.backward()
        (expected,) = gradients(literal_of(model, x, y, eps=0.1, weight=1.0), [x])
        assert_same([x.grad], [expected], relative=1e-10)

    def test_hook_on_a_parameter_runs_once_on_the_whole_gradient(self):
        model, x = deep_head_mlp()
        y = labels(x)
        expected = gradients(literal_of(model, x, y, eps=0.1, weight=1.0), model.parameters())
        calls = []
        model.classifier[0].weight.register_hook(lambda g: calls.append(1) or 2 * g)

        RATLP(model, layer="encoder", eps=0.1)(x, y).loss.backward()

        assert calls == [1]
        assert_same([model.classifier[0].weight.grad], [2 * expected[4]], relative=1e-10)

    def test_what_is_trained_beside_the_models_own_parameters(self):
        model, x = deep_head_mlp()
        y = labels(x)
        adapter = torch.zeros(16, dtype=torch.float64, requires_grad=True)
        temperature = torch.ones((), dtype=torch.float64, requires_grad=True)
        model.classifier[0].register_forward_hook(lambda module, args, output: output + adapter)

        def loss(logits, target):
            return cross_entropy(logits / temperature, target, reduction="none")

        RATLP(model, layer="encoder", eps=0.1, loss=loss)(x, y).loss.backward()

        def heated(z):
            return model.classifier(z) / temperature

        trained = [adapter, temperature, *model.parameters()]
        expected = gradients(literal_loss(model.encoder, heated, x, y, eps=0.1, weight=1.0), trained)
        assert_same([p.grad for p in trained], expected, relative=1e-10)

    def test_the_model_may_be_exchanged(self):
        model, x = deep_head_mlp()
        objective = RATLP(mlp(6, classes=3), layer="encoder", eps=0.1)
        objective.model = model
        objective(x, labels(x)).loss.backward()
        assert all(p.grad is not None for p in model.parameters())


class TestOutput:
    def test_parts(self):
        model, x = deep_head_mlp()
        y = labels(x)
        out = RATLP(model, layer="encoder", eps=0.1, weight=0.7)(x, y)

        z = model.encoder(x)
        assert torch.equal(out.latent, z)
        assert torch.equal(out.logits, model.classifier(z))
        assert out.clean_loss.item() == pytest.approx(cross_entropy(out.logits, y).item())
        moved = cross_entropy(model.classifier(z + out.delta), y)
        assert out.adversarial_loss.item() == pytest.approx(moved.item())
        assert out.loss.item() == pytest.approx((out.clean_loss + 0.7 * out.adversarial_loss).item())
        assert out.delta.abs().max().item() == 0.1
        assert not out.delta.requires_grad
        assert not out.logits.requires_grad

    @pytest.mark.parametrize("part", ["clean_loss", "adversarial_loss"])
    def test_each_loss_is_differentiable_by_itself(self, part):
        model, x = deep_head_mlp()
        y = labels(x)
        out = RATLP(model, layer="encoder", eps=0.1)(x, y)
        z = model.encoder(x)
        point = z if part == "clean_loss" else z + out.delta
        expected = gradients(cross_entropy(model.classifier(point), y), model.parameters())
        getattr(out, part).backward()
        assert_same([p.grad for p in model.parameters()], expected, relative=1e-10)

    def test_dead_coordinates_stay(self):
        model = EncoderClassifier(nn.Linear(2, 4), nn.Linear(4, 2))
        with torch.no_grad():
            model.classifier.weight[:, 1] = 0
        delta = RATLP(model, layer="encoder", eps=0.1)(torch.randn(5, 2), labels(torch.ones(5), 2)).delta
        assert (delta[:, 1] == 0).all()

    def test_a_convex_head_gives_the_lower_bound(self):
        # Convexity: loss(z + d) >= loss(z) + <grad, d> = loss(z) + eps * ||grad||_1.
        model, x = linear_head_mlp()
        y = labels(x)
        out = RATLP(model, layer="encoder", eps=0.5)(x, y)
        z = out.latent.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(cross_entropy(model.classifier(z), y), z)
        assert out.adversarial_loss >= out.clean_loss + 0.5 * gradient.abs().sum() - 1e-12

    def test_repr_names_the_axes(self):
        text = repr(RATLP(mlp(2, classes=2), layer="encoder", eps=0.1))
        assert "layer='encoder', perturbation=LInf(0.1), maximiser=FGSM(), weight=1" in text

    def test_parts_given_explicitly_are_the_default(self):
        model, x = deep_head_mlp()
        y = labels(x)
        short = RATLP(model, layer="encoder", eps=0.1)(x, y)
        parts = RATLP(model, layer="encoder", perturbation=LInf(0.1), maximiser=FGSM())(x, y)
        assert torch.equal(short.loss, parts.loss)


class TestCost:
    def test_one_pass_of_f_and_two_of_g(self):
        class Counting(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, counts):
                ctx.counts = counts
                counts["forward"] += 1
                return x.clone()

            @staticmethod
            def backward(ctx, gradient):
                ctx.counts["backward"] += 1
                return gradient, None

        class Counter(nn.Module):
            def __init__(self):
                super().__init__()
                self.counts = {"forward": 0, "backward": 0}

            def forward(self, x):
                return Counting.apply(x, self.counts)

        in_f, in_g = Counter(), Counter()
        model = EncoderClassifier(
            nn.Sequential(nn.Linear(2, 4), in_f, nn.Linear(4, 4)),
            nn.Sequential(nn.Linear(4, 4), in_g, nn.Linear(4, 2)),
        )
        objective, x = RATLP(model, layer="encoder", eps=0.1), torch.randn(5, 2)
        objective(x, labels(x, 2))  # the first batch is looked at once more
        in_f.counts.update(forward=0, backward=0)
        in_g.counts.update(forward=0, backward=0)
        objective(x, labels(x, 2)).loss.backward()
        assert in_f.counts == {"forward": 1, "backward": 1}
        assert in_g.counts == {"forward": 2, "backward": 2}


class TestTrainingLoops:
    def test_gradient_accumulation_adds_up(self):
        model, x = deep_head_mlp()
        y = labels(x)
        objective = RATLP(model, layer="encoder", eps=0.1)
        for part in (slice(0, 8), slice(8, 20)):
            objective(x[part], y[part]).loss.backward()
        losses = [literal_of(model, x[p], y[p], eps=0.1, weight=1.0) for p in (slice(0, 8), slice(8, 20))]
        expected = gradients(sum(losses), model.parameters())
        assert_same([p.grad for p in model.parameters()], expected, relative=1e-10)

    def test_two_outputs_before_one_backward(self):
        model, x = deep_head_mlp()
        y = labels(x)
        objective = RATLP(model, layer="encoder", eps=0.1)
        (objective(x, y).loss + objective(x, y).loss).backward()
        expected = gradients(2 * literal_of(model, x, y, eps=0.1, weight=1.0), model.parameters())
        assert_same([p.grad for p in model.parameters()], expected, relative=1e-10)

    def test_backward_twice_with_a_retained_graph(self):
        model, x = deep_head_mlp()
        loss = RATLP(model, layer="encoder", eps=0.1)(x, labels(x)).loss
        loss.backward(retain_graph=True)
        once = [p.grad.clone() for p in model.parameters()]
        loss.backward()
        assert_same([p.grad for p in model.parameters()], [2 * g for g in once], relative=1e-12)

    def test_no_gradient_is_touched_before_backward(self):
        model, x = deep_head_mlp()
        RATLP(model, layer="encoder", eps=0.1)(x, labels(x))
        assert all(p.grad is None for p in model.parameters())

    def test_without_gradients_for_validation(self):
        model, x = deep_head_mlp()
        y = labels(x)
        objective = RATLP(model, layer="encoder", eps=0.1)
        with torch.no_grad():
            out = objective(x, y)
        assert not out.loss.requires_grad
        assert torch.equal(out.loss, objective(x, y).loss)

    def test_inference_mode_is_refused(self):
        model, x = deep_head_mlp()
        with torch.inference_mode(), pytest.raises(InputError, match=r"use torch.no_grad\(\)"):
            RATLP(model, layer="encoder", eps=0.1)(x, labels(x))

    def test_batch_norm_sees_the_clean_batch_once(self):
        model, x = cnn()
        model.classifier.insert(1, nn.BatchNorm2d(4).double())
        twin = copy.deepcopy(model)
        RATLP(model, layer="encoder", eps=0.5)(x, labels(x)).loss.backward()
        twin(x)
        for ours, theirs in zip(model.buffers(), twin.buffers(), strict=True):
            assert torch.equal(ours, theirs)

    def test_deep_copy_is_independent(self):
        model, x = deep_head_mlp()
        y = labels(x)
        objective = RATLP(model, layer="encoder", eps=0.1)
        copied = copy.deepcopy(objective)
        copied(x, y).loss.backward()
        assert all(p.grad is None for p in objective.parameters())
        assert all(p.grad is not None for p in copied.parameters())

    def test_state_dict_keys_are_the_models(self):
        model = mlp(2, classes=2)
        objective = RATLP(model, layer="encoder", eps=0.1)
        assert list(objective.state_dict()) == [f"model.{key}" for key in model.state_dict()]

    def test_double_backward_is_refused(self):
        model, x = deep_head_mlp()
        loss = RATLP(model, layer="encoder", eps=0.1)(x, labels(x)).loss
        with pytest.raises(RatlpError, match="found create_graph=True"):
            torch.autograd.grad(loss, list(model.parameters()), create_graph=True)


class TestErrors:
    def test_targets_that_require_gradients(self):
        model, x = deep_head_mlp()
        y = torch.full((20, 3), 1 / 3, dtype=torch.float64, requires_grad=True)
        with pytest.raises(InputError, match="targets must not require gradients"):
            RATLP(model, layer="encoder", eps=0.1)(x, y)

    @pytest.mark.parametrize("eps", [-0.1, math.nan, math.inf])
    def test_eps(self, eps):
        with pytest.raises(InputError, match=f"eps must be finite and >= 0; found {eps}"):
            RATLP(mlp(2, classes=2), layer="encoder", eps=eps)

    @pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
    def test_weight(self, weight):
        with pytest.raises(InputError, match=f"weight must be finite and >= 0; found {weight}"):
            RATLP(mlp(2, classes=2), layer="encoder", eps=0.1, weight=weight)

    def test_neither_eps_nor_perturbation(self):
        with pytest.raises(InputError, match="exactly one of eps and perturbation"):
            RATLP(mlp(2, classes=2), layer="encoder")

    def test_both_eps_and_perturbation(self):
        with pytest.raises(InputError, match="exactly one of eps and perturbation"):
            RATLP(mlp(2, classes=2), layer="encoder", eps=0.1, perturbation=LInf(0.1))

    def test_unknown_layer_names_those_that_come_near(self):
        with pytest.raises(LayerError, match=r"found 'encodr'. Names that fit: 'encoder'"):
            RATLP(mlp(2, classes=2), layer="encodr", eps=0.1)
