"""Architectures for sequences, recurrent and with attention, and activation checkpointing."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint
from utils.architecture import BATCH, CLASSES, Architecture, architecture
from utils.feedforward import WIDTH, features

LENGTH = 5
VOCABULARY = 11


def tokens() -> Tensor:
    """A batch of token ids."""
    return torch.randint(VOCABULARY, (BATCH, LENGTH))


class LastOutput(nn.Module):
    """Three logits of an LSTM's last output, for `[batch, length, 3]`."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.lstm(x)[0][:, -1])
        return logits


class Recurrent(nn.Module):
    """Layers that return tuples: `(output, state)`, both of which are used."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDTH)
        self.lstm = nn.LSTM(WIDTH, WIDTH, batch_first=True)
        self.gru = nn.GRU(WIDTH, 4, batch_first=True, bidirectional=True)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        hidden, (state, cell) = self.lstm(self.embed(x))
        out, _ = self.gru(hidden + cell[0].unsqueeze(1))
        return self.head(torch.cat([out[:, -1], state[0]], 1).tanh())


@architecture("embed", "lstm", "gru")
def recurrent():
    return Recurrent(), tokens()


class Packed(nn.Module):
    """A packed sequence goes round the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDTH)
        self.first, self.second = nn.LSTM(WIDTH, WIDTH), nn.LSTM(WIDTH, WIDTH)
        self.layer, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        lengths = 1 + torch.arange(len(x)) % LENGTH
        packed = pack_padded_sequence(self.embed(x), lengths, batch_first=True, enforce_sorted=False)
        packed, (state, _) = self.first(packed)
        state = self.layer(state).tanh()
        packed, _ = self.second(packed, (state, state))
        out, _ = pad_packed_sequence(packed, batch_first=True)
        return self.head(out.sum(1))


@architecture("embed", "layer")
def packed_sequence():
    return Packed(), tokens()


class Attention(nn.Module):
    """Bare multi-head attention, which returns a tuple and calls its output layer by no module."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.randn(LENGTH, WIDTH))
        self.embed = nn.Embedding(VOCABULARY, WIDTH)
        self.first = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.second = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        stream = self.embed(x) + self.position
        stream = stream + self.first(stream, stream, stream, need_weights=False)[0]
        out, weights = self.second(stream, stream, stream)
        out = self.norm(weights @ stream + out).mean(1)
        return linear(out, self.embed.weight)[:, :CLASSES]


@architecture("embed", "first", "second", "norm")
def attention():
    return Attention(), tokens()


class Encoder(nn.Module):
    """Torch's own transformer encoder, with padding."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, 2, 16, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 3, norm=nn.LayerNorm(WIDTH), enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        padding = torch.arange(LENGTH).expand_as(x) > 1 + torch.arange(len(x)).unsqueeze(1)
        out = self.encoder(self.embed(x), src_key_padding_mask=padding)
        return self.head(out.mean(1))


ENCODER_LAYERS = (
    "embed",
    "encoder.layers.0",
    "encoder.layers.1.self_attn",
    "encoder.layers.1.linear1",
    "encoder.layers.2.norm2",
    "encoder",
)


@architecture(*ENCODER_LAYERS)
def transformer_encoder():
    return Encoder(), tokens()


@architecture("embed", "encoder.layers.0", "encoder.layers.1.norm2", "encoder")
def transformer_encoder_eval():
    return Encoder().eval(), tokens()


@architecture("encoder.layers.0", "encoder.layers.1.linear1", "encoder.layers.1", "encoder.layers.2")
def transformer_encoder_frozen():
    """Frozen and in eval mode, where the layers may take their fast path, which calls no submodule."""
    model = Encoder().eval()
    model.embed.requires_grad_(False)
    model.encoder.layers[:2].requires_grad_(False)
    return model, tokens()


class Decoder(nn.Module):
    """A causal language model in small: positions, tied embeddings as the head, the last token's logits."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDTH)
        self.position = nn.Parameter(torch.randn(LENGTH, WIDTH))
        self.blocks = nn.ModuleList(
            [nn.TransformerEncoderLayer(WIDTH, 2, 16, dropout=0.0, batch_first=True) for _ in range(2)]
        )
        self.lm_head = nn.Linear(WIDTH, VOCABULARY, bias=False)
        self.lm_head.weight = self.embed.weight

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        mask = torch.triu(torch.ones(LENGTH, LENGTH, dtype=torch.bool), 1)
        stream = self.embed(x) * WIDTH**0.5 + self.position
        for block in self.blocks:
            stream = block(stream, src_mask=mask)
        return {"logits": self.lm_head(stream)[:, -1], "stream": stream}


@architecture("embed", "blocks.0", "blocks.1.linear2", "blocks.1")
def language_model():
    return Decoder(), tokens()


class Checkpointed(nn.Module):
    """Blocks that are run a second time in the backward pass."""

    def __init__(self, *after: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.stem = nn.Linear(WIDTH, WIDTH)
        self.blocks = nn.ModuleList(
            [nn.Sequential(nn.Linear(WIDTH, WIDTH), *(make() for make in after)) for _ in range(3)]
        )
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = x + checkpoint(block, x, use_reentrant=False)
        return self.head(x)


CHECKPOINTED_LAYERS = ("stem", "blocks.0", "blocks.1.0", "blocks.1.1", "blocks.1", "blocks.2.2", "head")


@architecture(*CHECKPOINTED_LAYERS)
def checkpointed():
    return Checkpointed(nn.Tanh, partial(nn.LayerNorm, WIDTH), nn.Tanh), features()


@architecture(*CHECKPOINTED_LAYERS)
def checkpointed_batchnorm():
    """Torch itself moves the running statistics again when it runs a block again."""
    return Checkpointed(nn.Tanh, partial(nn.BatchNorm1d, WIDTH)), features()


SEQUENCES: tuple[Architecture, ...] = (
    recurrent,
    packed_sequence,
    attention,
    transformer_encoder,
    transformer_encoder_eval,
    transformer_encoder_frozen,
    language_model,
    checkpointed,
    checkpointed_batchnorm,
)
