"""The objective on transformers' models as they are: mapping inputs, padding, adapters, checkpoints."""

import warnings

import pytest
import torch
from torch.nn.functional import cross_entropy, pad
from utils.architecture import build, cuts
from utils.literal import assert_buffers_equal, assert_gradients_match, literal_step
from utils.transformers_models import (
    TRANSFORMERS,
    bert,
    bert_checkpointed,
    bert_lora,
    gpt2,
    huggingface_resnet,
    llama,
    vit,
)

from ratlp import RATLP
from ratlp.attacks import FGSM, PGD
from ratlp.errors import LayerError
from ratlp.losses import TRADES, AdversarialOnly
from ratlp.perturbations import L2, LInf, rms_per_sample, rms_per_token

transformers = pytest.importorskip("transformers")

BLOCKS = {bert: "bert.encoder.layer.0", llama: "model.layers.0", gpt2: "transformer.h.0"}
INSIDE_A_CHECKPOINT = (  # which runs its block again without the perturbation
    "bert_checkpointed-bert.encoder.layer.0.attention",
    "bert_checkpointed-bert.encoder.layer.0.intermediate",
)
CUTS = [case for case in cuts(TRANSFORMERS) if case.id not in INSIDE_A_CHECKPOINT]

each_block = pytest.mark.parametrize(
    ("architecture", "layer"), BLOCKS.items(), ids=[architecture.name for architecture in BLOCKS]
)


@pytest.mark.parametrize(("architecture", "layer"), CUTS)
def test_loss_gradients_and_statistics_are_those_of_algorithm_1(architecture, layer):
    model, inputs, y = build(architecture)
    twin, _, _ = build(architecture)
    loss, gradients = literal_step(twin, inputs, y, layer=layer, eps=0.1, weight=0.7)

    out = RATLP(model, layer=layer, eps=0.1, weight=0.7)(inputs, y)
    out.loss.backward()

    assert out.loss.item() == pytest.approx(loss.item(), rel=1e-9)
    assert_gradients_match(model, gradients)
    assert_buffers_equal(model, twin)


class TestInputs:
    @each_block
    def test_labels_in_the_mapping_are_ignored(self, architecture, layer):
        model, inputs, y = build(architecture)
        objective = RATLP(model, layer=layer, eps=0.1)
        labelled = objective({**inputs, "labels": (y + 1) % 3}, y)
        assert torch.equal(labelled.loss, objective(inputs, y).loss)

    def test_what_a_tokenizer_returns(self):
        model, inputs, y = build(bert)
        objective = RATLP(model, layer="bert.encoder.layer.0", eps=0.1)
        batch = transformers.BatchEncoding(inputs)
        assert torch.equal(objective(batch, y).loss, objective(inputs, y).loss)

    def test_a_model_that_returns_tuples(self):
        model, inputs, y = build(bert)
        objective = RATLP(model, layer="bert.encoder.layer.0", eps=0.1)
        expected = objective(inputs, y).loss
        model.config.return_dict = False
        assert torch.equal(objective(inputs, y).loss, expected)

    def test_pixels_in_a_mapping_keep_to_their_range(self):
        model, x, y = build(vit)
        x = x.sigmoid()
        objective = RATLP(model, layer="input", perturbation=LInf(0.1, bounds=(0, 1)))
        out = objective({"pixel_values": x}, y)
        leaf = x.clone().requires_grad_()
        cross_entropy(model(leaf).logits, y).backward()
        expected = (x + 0.1 * leaf.grad.sign()).clamp(0, 1)
        assert torch.allclose(x + out.delta, expected, atol=1e-12)

    @pytest.mark.parametrize(
        ("architecture", "embedding"),
        [(bert, "bert.embeddings.word_embeddings"), (llama, "model.embed_tokens")],
    )
    def test_token_ids_as_the_layer_name_the_embedding_instead(self, architecture, embedding):
        model, inputs, y = build(architecture)
        objective = RATLP(model, layer="input", eps=0.1)
        with pytest.raises(LayerError, match=f"token ids: use the embedding layer instead: '{embedding}'"):
            objective(inputs, y)


class TestPadding:
    @pytest.mark.parametrize("relative_to", [None, rms_per_token])
    @pytest.mark.parametrize("loss", [None, AdversarialOnly(), TRADES()])
    @each_block
    def test_is_never_perturbed_and_every_other_token_is(self, architecture, layer, loss, relative_to):
        model, inputs, y = build(architecture)
        ball = L2(0.1, per="token", relative_to=relative_to)
        out = RATLP(model, layer=layer, perturbation=ball, maximiser=PGD(steps=3), loss=loss)(inputs, y)
        lengths = out.delta.norm(dim=-1)
        mask = inputs["attention_mask"].bool()
        assert (lengths[~mask] == 0).all()
        assert (lengths[mask] > 0).all()
        radius = 0.1 if relative_to is None else 0.1 * out.latent.norm(dim=-1)[mask]
        assert (lengths[mask] <= radius + 1e-12).all()

    @pytest.mark.parametrize("perturbation", [LInf(0.1), L2(0.1), L2(0.1, relative_to=rms_per_sample)])
    @pytest.mark.parametrize("maximiser", [FGSM(), PGD(steps=2, restarts=2), PGD(steps=2, keep_best=False)])
    def test_is_left_alone_by_every_set_and_maximiser(self, perturbation, maximiser):
        model, inputs, y = build(bert)
        layer = "bert.embeddings.word_embeddings"
        out = RATLP(model, layer=layer, perturbation=perturbation, maximiser=maximiser)(inputs, y)
        assert (out.delta[inputs["attention_mask"] == 0] == 0).all()
        assert (out.delta != 0).any()

    def test_is_left_alone_in_several_layers_that_climb_together(self):
        model, inputs, y = build(llama)
        objective = RATLP(
            model,
            layer=["model.layers.0", "model.layers.1"],
            perturbation=L2(0.1, per="token", relative_to=rms_per_token),
            maximiser=PGD(steps=3),
        )
        out = objective(inputs, y)
        mask = inputs["attention_mask"].bool()
        for delta in out.delta:
            assert (delta[~mask] == 0).all()
            assert (delta[mask] != 0).any()
        assert out.adversarial_loss > out.clean_loss

    def test_more_of_it_changes_nothing(self):
        model, inputs, y = build(bert)
        ids, mask = (inputs[name][:, :4] for name in ("input_ids", "attention_mask"))
        short = {"input_ids": ids, "attention_mask": mask}
        long = {name: pad(tensor, (0, 2)) for name, tensor in short.items()}
        objective = RATLP(model, layer="bert.encoder.layer.0", perturbation=L2(0.1))
        expected, found = objective(short, y), objective(long, y)
        assert found.loss.item() == pytest.approx(expected.loss.item(), rel=1e-12)
        assert torch.allclose(found.delta, pad(expected.delta, (0, 0, 0, 2)), atol=1e-12)


class TestAdapters:
    @pytest.mark.parametrize("maximiser", [FGSM(), PGD(steps=2)])
    @pytest.mark.parametrize("layer", bert_lora.layers)
    def test_only_adapters_and_head_get_gradients(self, layer, maximiser):
        model, inputs, y = build(bert_lora)
        before = {name: p.requires_grad for name, p in model.named_parameters()}
        RATLP(model, layer=layer, eps=0.1, maximiser=maximiser)(inputs, y).loss.backward()
        trained = {name for name, p in model.named_parameters() if p.grad is not None}
        assert trained == {name for name in before if "lora_" in name or "modules_to_save" in name}
        assert before == {name: p.requires_grad for name, p in model.named_parameters()}

    def test_a_language_model_climbs_in_several_layers(self):
        peft = pytest.importorskip("peft")
        model, inputs, y = build(llama)
        config = peft.LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["q_proj", "v_proj"])
        with warnings.catch_warnings():
            # peft 0.21 asks for an attribute that transformers 5.23 renamed
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            model = peft.get_peft_model(model, config).double()
        layers = [f"base_model.model.model.layers.{block}" for block in (0, 1)]
        ball = L2(0.1, per="token", relative_to=rms_per_token)
        out = RATLP(model, layer=layers, perturbation=ball, maximiser=PGD(steps=2))(inputs, y)
        out.loss.backward()
        assert out.adversarial_loss > out.clean_loss
        trained = {name for name, p in model.named_parameters() if p.grad is not None}
        named = {name for name, _ in model.named_parameters()}
        assert trained == {name for name in named if "lora_" in name or "modules_to_save" in name}

    def test_the_prefix_may_be_frozen(self):
        model, inputs, y = build(llama)
        model.model.embed_tokens.requires_grad_(False)
        model.model.layers[0].requires_grad_(False)
        ball = L2(0.1, per="token")
        out = RATLP(model, layer="model.layers.0", perturbation=ball, maximiser=PGD(steps=2))(inputs, y)
        out.loss.backward()
        frozen = [name for name, p in model.named_parameters() if p.grad is None]
        assert frozen == [name for name, p in model.named_parameters() if not p.requires_grad]
        assert (out.delta != 0).any()


def checkpointed_llama():
    model, inputs, y = build(llama)
    # renamed in transformers 5.23; the older name warns since
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    return model, inputs, y


class TestActivationCheckpointing:
    @pytest.mark.parametrize("loss", [None, TRADES()])
    @pytest.mark.parametrize("block", [0, 1])
    @pytest.mark.parametrize("architecture", ["bert", "llama"])
    def test_changes_no_gradient_where_the_layer_is_a_block(self, architecture, block, loss):
        prefix = {"bert": "bert.encoder.layer", "llama": "model.layers"}[architecture]
        plain = build({"bert": bert, "llama": llama}[architecture])
        saving = build(bert_checkpointed) if architecture == "bert" else checkpointed_llama()
        gradients = []
        for model, inputs, y in (plain, saving):
            torch.manual_seed(1)
            maximiser = PGD(steps=2) if loss else FGSM()
            out = RATLP(model, layer=f"{prefix}.{block}", eps=0.1, maximiser=maximiser, loss=loss)(inputs, y)
            out.loss.backward()
            gradients.append({name: p.grad for name, p in model.named_parameters()})
        assert_gradients_match(saving[0], gradients[0], relative=1e-12)

    def test_the_blocks_are_run_again_in_the_backward_pass(self):
        model, inputs, y = checkpointed_llama()
        calls = []
        model.model.layers[1].self_attn.register_forward_hook(lambda *_: calls.append(1))
        out = RATLP(model, layer="model.layers.0", eps=0.1)(inputs, y)
        before = len(calls)
        out.loss.backward()
        assert len(calls) == before + 1


def test_running_statistics_move_with_the_clean_batch_alone():
    model, inputs, y = build(huggingface_resnet)
    twin, _, _ = build(huggingface_resnet)
    RATLP(model, layer="resnet.encoder.stages.0", eps=0.5, maximiser=PGD(steps=2))(inputs, y).loss.backward()
    twin(**inputs)
    for (name, found), (_, expected) in zip(model.named_buffers(), twin.named_buffers(), strict=True):
        assert torch.equal(found, expected), name
