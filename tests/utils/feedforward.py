"""Architectures made of linear layers: in-place operations, frozen, parametrised and functional weights."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.nn.utils.parametrizations import orthogonal, spectral_norm, weight_norm
from utils.architecture import BATCH, CLASSES, Architecture, architecture

WIDTH = 8


def features(width: int = WIDTH) -> Tensor:
    """A batch of feature vectors."""
    return torch.randn(BATCH, width, dtype=torch.float64)


def plain(activation=nn.ReLU, **options) -> nn.Sequential:
    """Linear layers 0, 2, 4 with activations 1, 3 between."""
    hidden = [nn.Linear(WIDTH, 16), activation(**options), nn.Linear(16, WIDTH), activation(**options)]
    return nn.Sequential(*hidden, nn.Linear(WIDTH, CLASSES))


@architecture("0", "1", "2", "4")
def mlp():
    return plain(), features()


@architecture("0", "1", "2", "3")
def inplace_mlp():
    """An in-place operation directly after the layer, or as the layer itself."""
    return plain(inplace=True), features()


@architecture("encoder.0", "encoder.2", "encoder", "head")
def frozen_prefix():
    """Nothing before the head is trained, so that z needs no gradient of its own."""
    model = nn.Sequential()
    model.add_module("encoder", nn.Sequential(nn.Linear(WIDTH, 16), nn.Tanh(), nn.Linear(16, WIDTH), nn.ReLU()))
    model.add_module("head", nn.Linear(WIDTH, CLASSES))
    model.encoder.requires_grad_(False)
    return model, features()


@architecture("0", "2")
def frozen_here_and_there():
    """A frozen bias before, a frozen weight at and a frozen layer after."""
    model = plain(nn.Tanh)
    for parameter in (model[0].bias, model[2].weight, *model[4].parameters()):
        parameter.requires_grad_(False)
    return model, features()


@architecture("0", "2", "4", "6")
def parametrised():
    """Weights that are computed anew at each access, by modules of their own."""
    model = nn.Sequential(
        weight_norm(nn.Linear(WIDTH, 16)),
        nn.Tanh(),
        spectral_norm(nn.Linear(16, WIDTH)),
        nn.Tanh(),
        orthogonal(nn.Linear(WIDTH, WIDTH)),
        nn.Tanh(),
        weight_norm(nn.Linear(WIDTH, CLASSES)),
    )
    return model.eval(), features()  # in training mode spectral_norm changes with each pass


class Depth(nn.Module):
    """A loop over blocks that stops early, with a norm of its own for each step."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(4)])
        self.norms = nn.ModuleDict({"even": nn.LayerNorm(WIDTH), "odd": nn.LayerNorm(WIDTH)})
        self.acts = nn.ModuleDict({"relu": nn.ReLU(), "tanh": nn.Tanh()})
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor, depth: int = 3) -> Tensor:
        for i, block in enumerate(self.blocks):
            if i >= depth:
                break
            x = x + self.acts["tanh" if i == 1 else "relu"](block(self.norms["odd" if i % 2 else "even"](x)))
        return self.head(x)


@architecture("blocks.0", "norms.odd", "blocks.1", "acts.tanh", "blocks.2")
def loop_over_blocks():
    return Depth(), features()


class OwnParameters(nn.Module):
    """Tensor operations with the model's own parameters on both sides of the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(WIDTH))
        self.mix = nn.Parameter(torch.randn(WIDTH, WIDTH))
        self.first, self.layer = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.heads = nn.ParameterList([nn.Parameter(torch.randn(WIDTH, CLASSES)) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        before = self.first(x * self.scale).tanh() @ self.mix
        after = (self.layer(before) @ self.mix + before * self.scale).tanh()
        return after @ self.heads[0] + (x * self.scale) @ self.heads[1]


@architecture("first", "layer")
def own_parameters():
    return OwnParameters(), features()


class Tied(nn.Module):
    """One linear layer on both sides of another, and its weight once more as a function's argument."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.layer = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.head, self.alias = nn.Linear(WIDTH, CLASSES), self.layer

    def forward(self, x: Tensor) -> Tensor:
        z = self.layer(self.shared(x).tanh())
        return self.head(linear(self.shared(z).tanh(), self.shared.weight.T))


@architecture("layer", "alias", "head")
def tied_weights():
    return Tied(), features()


class SparseEmbeddings(nn.Module):
    """Embeddings with sparse gradients before and after the layer, as in recommenders."""

    def __init__(self) -> None:
        super().__init__()
        self.user = nn.Embedding(10, WIDTH, sparse=True)
        self.layer, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)
        self.item = nn.Embedding(10, WIDTH, sparse=True)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        return self.head(self.layer(self.user(user)).tanh() * self.item(item))


@architecture("user", "layer", "item")
def sparse_embeddings():
    return SparseEmbeddings(), tuple(torch.randint(10, (2, BATCH)))


FEEDFORWARD: tuple[Architecture, ...] = (
    mlp,
    inplace_mlp,
    frozen_prefix,
    frozen_here_and_there,
    parametrised,
    loop_over_blocks,
    own_parameters,
    tied_weights,
    sparse_embeddings,
)
