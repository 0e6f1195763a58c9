"""Architectures of the transformers library, built from tiny configurations; nothing is downloaded."""

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from utils.architecture import BATCH, CLASSES, Architecture, architecture

LENGTH = 6
VOCABULARY = 13
PADDING = 0


def library() -> Any:
    """The transformers library, or the test is skipped."""
    return pytest.importorskip("transformers")


def padded_tokens() -> dict[str, Tensor]:
    """Token ids, the last ones of some rows padding, and the mask that says so."""
    lengths = torch.arange(BATCH).clamp(max=LENGTH - 2) + 2
    mask = torch.arange(LENGTH) < lengths.unsqueeze(1)
    ids = torch.randint(1, VOCABULARY, (BATCH, LENGTH)).masked_fill(~mask, PADDING)
    return {"input_ids": ids, "attention_mask": mask.long()}


def bert_model(attention: str) -> nn.Module:
    """A BERT classifier of two layers."""
    transformers = library()
    config = transformers.BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=12,
        max_position_embeddings=LENGTH,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=CLASSES,
        attn_implementation=attention,
    )
    return transformers.BertForSequenceClassification(config).train()


BERT_LAYERS = (
    "bert.embeddings",
    "bert.encoder.layer.0",
    "bert.encoder.layer.1.attention.self",
    "bert.encoder.layer.1.intermediate",
    "bert.encoder",
    "bert.pooler",
)


@architecture(*BERT_LAYERS)
def bert():
    return bert_model("eager"), padded_tokens()


@architecture("bert.embeddings.word_embeddings", "bert.encoder.layer.0")
def bert_sdpa():
    return bert_model("sdpa"), padded_tokens()


@architecture("bert.encoder.layer.0.attention", "bert.encoder.layer.0.intermediate", "bert.encoder.layer.1")
def bert_checkpointed():
    model = bert_model("eager")
    # renamed in transformers 5.23; the older name warns since
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    return model, padded_tokens()


def lora_model() -> nn.Module:
    """A BERT classifier of which only the low-rank adapters and the classifier are trained."""
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["query", "value"], lora_dropout=0.0)
    with warnings.catch_warnings():
        # peft 0.21 asks for an attribute that transformers 5.23 renamed
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        model = peft.get_peft_model(bert_model("eager"), config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # zero at the start, which would hide the adapters' effect
            nn.init.normal_(parameter)
    return model


@architecture(
    "base_model.model.bert.embeddings",
    "base_model.model.bert.encoder.layer.0.attention.self.query",
    "base_model.model.bert.encoder.layer.0",
    "base_model.model.bert.encoder.layer.1.attention.self.value.base_layer",
    "base_model.model.bert.pooler",
)
def bert_lora():
    return lora_model(), padded_tokens()


@architecture("model.embed_tokens", "model.layers.0", "model.layers.1.self_attn", "model.layers.1.mlp", "model")
def llama():
    """Its own norm and its eager softmax compute in float32; sdpa and torch's norm stay in float64."""
    transformers = library()
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=12,
        max_position_embeddings=LENGTH,
        pad_token_id=PADDING,
        bos_token_id=1,
        eos_token_id=2,
        num_labels=CLASSES,
        attn_implementation="sdpa",
    )
    model = transformers.LlamaForSequenceClassification(config)
    for name, module in list(model.named_modules()):
        if type(module).__name__ == "LlamaRMSNorm":
            model.set_submodule(name, nn.RMSNorm(8, eps=1e-6))
    return model.train(), padded_tokens()


@architecture("transformer.wte", "transformer.h.0", "transformer.h.1.mlp.c_fc", "transformer")
def gpt2():
    transformers = library()
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=LENGTH,
        n_embd=8,
        n_layer=2,
        n_head=2,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        summary_first_dropout=0.0,
        pad_token_id=PADDING,
        bos_token_id=1,
        eos_token_id=2,
        num_labels=CLASSES,
        attn_implementation="eager",
    )
    return transformers.GPT2ForSequenceClassification(config).train(), padded_tokens()


@architecture("vit.embeddings", "vit.layers.0", "vit.layers.1.mlp", "vit.layernorm", "vit")
def vit():
    """Its eager softmax computes in float32; sdpa stays in float64."""
    transformers = library()
    config = transformers.ViTConfig(
        image_size=8,
        patch_size=4,
        num_channels=2,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=12,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=CLASSES,
        attn_implementation="sdpa",
    )
    model = transformers.ViTForImageClassification(config).train()
    return model, torch.randn(BATCH, 2, 8, 8, dtype=torch.float64)


@architecture(
    "resnet.embedder", "resnet.encoder.stages.0", "resnet.encoder.stages.1.layers.0.layer.0", "resnet.encoder"
)
def huggingface_resnet():
    transformers = library()
    config = transformers.ResNetConfig(
        num_channels=2,
        embedding_size=4,
        hidden_sizes=[4, 6],
        depths=[1, 1],
        layer_type="basic",
        num_labels=CLASSES,
    )
    model = transformers.ResNetForImageClassification(config).train()
    return model, {"pixel_values": torch.randn(BATCH, 2, 16, 16, dtype=torch.float64)}


TRANSFORMERS: tuple[Architecture, ...] = (
    bert,
    bert_sdpa,
    bert_checkpointed,
    bert_lora,
    llama,
    gpt2,
    vit,
    huggingface_resnet,
)
