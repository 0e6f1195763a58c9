"""Architectures whose data takes an odd way: shared modules, side branches, several inputs."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from utils.architecture import BATCH, CLASSES, Architecture, architecture
from utils.feedforward import WIDTH, features


def square() -> nn.Linear:
    """A linear layer that keeps the width."""
    return nn.Linear(WIDTH, WIDTH)


def head() -> nn.Linear:
    """The logits' layer."""
    return nn.Linear(WIDTH, CLASSES)


class Shared(nn.Module):
    """One activation everywhere and one block called on both sides, a norm of its own for each call."""

    def __init__(self) -> None:
        super().__init__()
        self.act, self.norms = nn.Tanh(), nn.ModuleList([nn.BatchNorm1d(WIDTH) for _ in range(3)])
        self.block = nn.Sequential(square(), self.act, square())
        self.head = head()

    def forward(self, x: Tensor) -> Tensor:
        for norm in self.norms:
            x = x + self.act(norm(self.block(x)))
        return self.head(self.act(x))


@architecture("norms.0", "norms.1", "norms.2", "head")
def shared_modules():
    return Shared(), features()


class LateBranch(nn.Module):
    """A branch that starts before the layer and runs after it, and a weight that a module makes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.maker, self.layer = square(), nn.Linear(WIDTH, WIDTH), square()
        self.branch, self.norm, self.head = nn.Sequential(square(), nn.Tanh()), nn.BatchNorm1d(WIDTH), head()

    def forward(self, x: Tensor) -> Tensor:
        start = self.stem(x).tanh()
        weight = self.maker(start).T @ start
        z = self.layer(start)
        return self.head(linear(z, weight).tanh() + self.norm(self.branch(start)) * x)


@architecture("stem", "maker", "layer", "branch.0", "norm")
def late_branch():
    return LateBranch(), features()


class Tapped(nn.Module):
    """Identities to cut at by name: what they return is the very tensor that they were given."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.tap, self.body, self.late = square(), nn.Identity(), square(), nn.Dropout(0.0)
        self.head = head()

    def forward(self, x: Tensor) -> Tensor:
        stream = self.stem(x)
        stream = stream + self.body(self.tap(stream).tanh())
        return self.head(self.late(stream) * stream)


@architecture("tap", "late")
def identity_taps():
    return Tapped(), features()


class Inputs(nn.Module):
    """Two inputs that meet after the layer; a nested output."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.layer, self.head = square(), square(), square(), head()

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        hidden = self.layer(self.left(left).tanh())
        out = self.head((hidden * self.right(right)).tanh())
        return out, {"hidden": hidden}


@architecture("left", "layer", "right")
def tuple_inputs():
    return Inputs(), (features(), features())


class Keywords(Inputs):
    """Keyword inputs, some of which are no tensors; a dict as output."""

    def forward(self, *, pair: list[Tensor], mask: Tensor, scale: float, extra: None = None) -> dict[str, Any]:
        hidden = self.layer(self.left(pair[0]).tanh()) * mask
        out = self.head((scale * hidden + self.right(pair[1])).tanh())
        return {"hidden": hidden, "logits": out, "extra": extra}


@architecture("left", "layer", "right")
def dict_inputs():
    mask = torch.rand(BATCH, WIDTH) < 0.7
    return Keywords(), {"pair": [features(), features()], "mask": mask, "scale": 0.5, "extra": None}


class Features(NamedTuple):
    """What an encoder returns besides tensors, tuples and dicts: a named tuple."""

    low: Tensor
    high: Tensor


@dataclass
class Pyramid:
    """What an encoder returns besides tensors, tuples and dicts: an object of its own."""

    levels: list[Features]
    depth: int


class Extractor(nn.Module):
    """Returns an object with tensors inside."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = square(), square()

    def forward(self, x: Tensor) -> Pyramid:
        low = self.low(x).tanh()
        return Pyramid([Features(low, self.high(low).tanh())], depth=1)


class Learned(nn.Module):
    """Returns its parameter itself."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(WIDTH))

    def forward(self) -> Tensor:
        return self.weight


class Objects(nn.Module):
    """Modules before the layer return an object and a parameter; both are used after it."""

    def __init__(self) -> None:
        super().__init__()
        self.extract, self.learned, self.layer, self.head = Extractor(), Learned(), square(), head()

    def forward(self, x: Tensor) -> Tensor:
        pyramid, learned = self.extract(x), self.learned()
        features = pyramid.levels[-1]
        z = self.layer(features.high * learned)
        return self.head(z.tanh() * learned + features.low * features.high * pyramid.depth)


@architecture("extract.low", "learned", "layer")
def outputs_of_other_types():
    return Objects(), features()


class Experts(nn.Module):
    """Which modules run, and how often, depends on the data after the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.router, self.head = square(), nn.Linear(WIDTH, 4), head()
        self.experts = nn.ModuleList([nn.Sequential(square(), nn.Tanh()) for _ in range(4)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.experts[0](self.layer(self.experts[1](x)))
        share, chosen = self.router(x).softmax(1).max(1)
        out = torch.zeros_like(x)
        for i in chosen.unique().tolist():
            mine = chosen == i
            out[mine] = share[mine].unsqueeze(1) * self.experts[i](x[mine])
        return self.head(x + out)


@architecture("layer", "router", "head")
def mixture_of_experts():
    return Experts(), features()


WIRING: tuple[Architecture, ...] = (
    shared_modules,
    late_branch,
    identity_taps,
    tuple_inputs,
    dict_inputs,
    outputs_of_other_types,
    mixture_of_experts,
)
