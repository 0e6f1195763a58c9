"""The models, built from their sizes; no downloads."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from step_cost.resnet import ResNet
from step_cost.subject import DEPTHS, Stage, Subject

CLASSES = 10


@dataclass(frozen=True)
class Sizes:
    """How large a model and its batch are.

    Attributes:
        batch: Samples.
        width: Features of a hidden layer, of a token, or channels of the first stage.
        layers: Hidden layers or encoder layers; a multiple of 4. The CNN has 8 blocks whatever it says.
    """

    batch: int
    width: int
    layers: int = 8


SIZES = {
    "mlp": Sizes(batch=512, width=512),
    "cnn": Sizes(batch=64, width=16),
    "vit": Sizes(batch=16, width=192),
    "bert": Sizes(batch=16, width=256),
}
TINY = {
    "mlp": Sizes(batch=4, width=16, layers=4),
    "cnn": Sizes(batch=2, width=4),
    "vit": Sizes(batch=2, width=12, layers=4),
    "bert": Sizes(batch=2, width=16, layers=4),
}


def mlp(sizes: Sizes) -> tuple[nn.Module, Any, list[Stage]]:
    """784 features and hidden layers of equal width."""
    widths = [784, *[sizes.width] * sizes.layers]
    hidden = [nn.Sequential(nn.Linear(n, m), nn.ReLU()) for n, m in pairwise(widths)]
    model = nn.Sequential(*hidden, nn.Linear(sizes.width, CLASSES))
    stages = [Stage(str(index), part) for index, part in enumerate(model)]
    return model, torch.randn(sizes.batch, 784), stages


def cnn(sizes: Sizes) -> tuple[nn.Module, Any, list[Stage]]:
    """A ResNet-18 for 32 x 32 pixels."""
    model = ResNet(sizes.width, CLASSES)
    names = ("stem", "layer1", "layer2", "layer3", "layer4", "pool", "head")
    stages = [Stage(name, model.get_submodule(name)) for name in names]
    return model, torch.randn(sizes.batch, 3, 32, 32), stages


def vit(sizes: Sizes) -> tuple[nn.Module, Any, list[Stage]]:
    """A vision transformer on 64 patches of 4 x 4 pixels."""
    import transformers

    config: Any = transformers.ViTConfig(
        image_size=32,
        patch_size=4,
        hidden_size=sizes.width,
        num_hidden_layers=sizes.layers,
        num_attention_heads=max(1, sizes.width // 64),
        intermediate_size=4 * sizes.width,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=CLASSES,
        attn_implementation="sdpa",
    )
    model = transformers.ViTForImageClassification(config)
    body: Any = model.vit
    stages = [Stage("vit.embeddings", body.embeddings)]
    stages += [Stage(f"vit.layers.{i}", _unmasked(layer)) for i, layer in enumerate(body.layers)]
    stages += [Stage("vit.layernorm", body.layernorm)]
    stages += [Stage("classifier", lambda tokens: model.classifier(tokens[:, 0]))]
    return model, torch.randn(sizes.batch, 3, 32, 32), stages


def bert(sizes: Sizes) -> tuple[nn.Module, Any, list[Stage]]:
    """A text classifier on 64 tokens, without padding and without dropout."""
    import transformers

    config = transformers.BertConfig(
        vocab_size=1000,
        hidden_size=sizes.width,
        num_hidden_layers=sizes.layers,
        num_attention_heads=max(1, sizes.width // 64),
        intermediate_size=4 * sizes.width,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=CLASSES,
        attn_implementation="sdpa",
    )
    model = transformers.BertForSequenceClassification(config)
    body: Any = model.bert
    stages = [Stage("bert.embeddings", lambda inputs: body.embeddings(**inputs))]
    stages += [Stage(f"bert.encoder.layer.{i}", _unmasked(layer)) for i, layer in enumerate(body.encoder.layer)]
    stages += [Stage("bert.pooler", body.pooler), Stage("classifier", model.classifier)]
    return model, {"input_ids": torch.randint(1, 1000, (sizes.batch, 64))}, stages


MODELS: dict[str, Callable[[Sizes], tuple[nn.Module, Any, list[Stage]]]] = {
    "mlp": mlp,
    "cnn": cnn,
    "vit": vit,
    "bert": bert,
}


def build(name: str, sizes: Sizes, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Subject:
    """The model of that name with its batch, from torch's global random state."""
    model, inputs, stages = MODELS[name](sizes)
    model.to(device, dtype).train()
    return Subject(
        name,
        model,
        _moved(inputs, device, dtype),
        torch.randint(CLASSES, (sizes.batch,)).to(device),
        tuple(stages),
        _cuts(name, len(stages)),
    )


def _cuts(name: str, stages: int) -> dict[int, int]:
    """For each depth, how many stages f has: what comes before the layers, and a share of the layers."""
    first = {"mlp": 0, "cnn": 1, "vit": 1, "bert": 1}[name]
    layers = stages - first - {"mlp": 1, "cnn": 2, "vit": 2, "bert": 2}[name]
    cuts = {depth: first + layers * depth // 100 for depth in DEPTHS}
    # Token ids cannot be perturbed: the embeddings are BERT's depth 0.
    return {**cuts, 0: 1 if name == "bert" else 0, 100: stages - 1}


def _unmasked(layer: nn.Module) -> Callable[[Tensor], Tensor]:
    return lambda tokens: layer(tokens, None)


def _moved(inputs: Any, device: str, dtype: torch.dtype) -> Any:
    if isinstance(inputs, dict):
        return {name: _moved(value, device, dtype) for name, value in inputs.items()}
    return inputs.to(device, dtype if inputs.is_floating_point() else inputs.dtype)
