"""Architectures that do more than map an input to an output: hooks, state, changed containers, no_grad."""

from typing import Any

import torch
from torch import Tensor, nn
from utils.architecture import Architecture, architecture
from utils.feedforward import features
from utils.wiring import WIDTH, head, square


class Collecting(nn.Module):
    """Hooks of the model's own put features aside, which are used long after the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(square(), nn.Tanh(), nn.Sequential(square(), nn.Tanh()), square())
        self.head = head()
        self.features: dict[str, Tensor] = {}
        for name in ("0", "2.0"):
            self.encoder.get_submodule(name).register_forward_hook(self.keep(name))

    def keep(self, name: str):
        def hook(module: nn.Module, args: Any, output: Tensor) -> None:
            self.features[name] = output

        return hook

    def forward(self, x: Tensor) -> Tensor:
        out = self.encoder(x)
        return self.head(out.tanh() + self.features["0"] * self.features["2.0"])


@architecture("encoder.1", "encoder.2", "encoder.3", "encoder")
def features_by_hooks():
    return Collecting(), features()


class Probe(nn.Module):
    """A trained head on a backbone that runs without gradients, though its parameters ask for some."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.body, self.head = nn.Sequential(square(), nn.Tanh()), square(), head()

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            z = self.backbone(x)
        return self.head(self.body(z).tanh() + z.detach())


@architecture("backbone", "body")
def backbone_without_gradients():
    return Probe(), features()


class OwnStatistics(nn.Module):
    """A normalisation with running statistics of its own making, not one of torch's."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.rand(WIDTH) + 0.5)
        self.register_buffer("running", torch.zeros(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(0)
        with torch.no_grad():
            self.running.lerp_(mean, 0.1)
        return (x - mean) * self.gain


@architecture("0", "1", "3", "4")
def own_statistics():
    model = nn.Sequential(square(), OwnStatistics(), nn.Tanh(), square(), OwnStatistics(), nn.Tanh(), head())
    return model, features()


class ForwardByName(nn.Module):
    """Modules called as `module.forward(x)`, where no hook sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.layer, self.body, self.head = square(), square(), square(), head()
        self.norm = nn.BatchNorm1d(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        start = self.norm.forward(self.stem.forward(x))
        return self.head(self.body.forward(self.layer(start)).tanh() + self.stem(start))


@architecture("layer", "head")
def forward_by_name():
    return ForwardByName(), features()


class Popping(nn.Module):
    """Takes features from the list that a module returned, so that the list is shorter afterwards."""

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stages = nn.ModuleList([square() for _ in range(4)])

        def forward(self, x: Tensor) -> list[Tensor]:
            skips = [x]
            for stage in self.stages:
                skips.append(stage(skips[-1]).tanh())
            return skips

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.layer, self.up = self.Encoder(), square(), nn.ModuleList([square(), square()])
        self.head = head()

    def forward(self, x: Tensor) -> Tensor:
        skips = self.encoder(x)
        out = self.layer(skips.pop())
        for up in self.up:
            out = up(out.tanh()) * skips.pop()
        return self.head(out)


@architecture("encoder.stages.1", "layer", "up.0", "up.1")
def features_popped_from_a_list():
    return Popping(), features()


class ClearedAtTheEnd(nn.Module):
    """Modules put side results on a list of the model's, which its forward uses and clears at its end."""

    class Stage(nn.Module):
        def __init__(self, results: list[Tensor]) -> None:
            super().__init__()
            self.linear, self.results = square(), results

        def forward(self, x: Tensor) -> Tensor:
            out = self.linear(x).tanh()
            self.results.append(out.square())
            return out

    def __init__(self) -> None:
        super().__init__()
        self.results: list[Tensor] = []
        self.stages = nn.ModuleList([self.Stage(self.results) for _ in range(3)])
        self.head = head()

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        out = self.head(x + torch.stack(self.results).mean(0))
        self.results.clear()
        return out


@architecture("stages.0.linear", "stages.1.linear", "stages.1", "head")
def state_cleared_at_the_end():
    return ClearedAtTheEnd(), features()


class Reverse(torch.autograd.Function):
    """The identity, whose gradient is turned round."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return -gradient


class GradientHooks(nn.Module):
    """Gradients turned round or scaled on their way, by a function and by hooks on tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.layer, self.body, self.head = square(), square(), square(), head()

    def forward(self, x: Tensor) -> Tensor:
        start = self.stem(x)
        if start.requires_grad:
            start.register_hook(lambda gradient: 0.5 * gradient)
        out = self.body(self.layer(start).tanh())
        if out.requires_grad:
            out.register_hook(lambda gradient: 3.0 * gradient)
        return self.head(out.tanh() + Reverse.apply(start))


@architecture("stem", "layer", "body")
def gradient_hooks():
    return GradientHooks(), features()


EFFECTS: tuple[Architecture, ...] = (
    features_by_hooks,
    backbone_without_gradients,
    own_statistics,
    forward_by_name,
    features_popped_from_a_list,
    state_cleared_at_the_end,
    gradient_hooks,
)
