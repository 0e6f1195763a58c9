"""Train the nets of all seeds at once, as one stacked net; and the plain loop over seeds, its slow twin.

Each seed draws its data, its weights and its batch order from generators of its own, so that a net does not
depend on which others train beside it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ratlp.data import Source, Split
from ratlp.experiments.progress import Advance
from ratlp.experiments.results import Method
from ratlp.experiments.setting import Setting
from ratlp.models import EncoderClassifier, StackedLinear, stack
from ratlp.objective import RATLP


@dataclass(frozen=True)
class Member:
    """One net to be: its seed, its data, its initial weights and its source of batch orders."""

    split: Split
    net: EncoderClassifier
    generator: torch.Generator

    @classmethod
    def of(cls, source: Source, setting: Setting, seed: int) -> "Member":
        """Draw everything that depends on the seed.

        Example:
            >>> from ratlp.data import Moons
            >>> Member.of(Moons(n=50), Setting(), seed=3).net.classifier
            Linear(in_features=8, out_features=2, bias=True)
        """
        generator = torch.Generator().manual_seed(seed)
        split = source.draw(seed)
        features = split.x_train[0].numel()
        return cls(split, setting.build(features, source.classes, generator), generator)


@dataclass(frozen=True)
class TrainedStack:
    """The trained nets of several seeds.

    Attributes:
        net: Takes `[nets, batch, features]`, gives `[nets, batch, classes]`; children `encoder`,
            `classifier`.
        x_test: `[nets, n_test, features]`.
        y_test: `[nets, n_test]`.
    """

    net: EncoderClassifier
    x_test: Tensor
    y_test: Tensor

    @property
    def head(self) -> tuple[Tensor, Tensor]:
        """The linear heads' weights `[nets, classes, latent]` and biases `[nets, classes]`, detached."""
        layer = self.net.classifier
        assert isinstance(layer, StackedLinear)
        return layer.weight.detach().mT, layer.bias.detach().squeeze(1)


class _Flat(nn.Module):
    """A stacked net whose logits come as one long batch, `[nets * batch, classes]`, as a loss wants them."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)
        return logits.flatten(0, -2)


def train_stacked(
    members: Sequence[Member], setting: Setting, method: Method, *, advance: Advance = lambda: None
) -> TrainedStack:
    """Train all members at once.

    The loss is the mean over all nets' samples, times the number of nets: each net's gradient is that of its
    own mean loss, and Adam works coordinate by coordinate, so each net takes the steps that it would take
    alone.

    Args:
        members: Nets of one shape with training parts of one size.
        setting: Their common setting.
        method: "standard" or "ratlp".
        advance: Called after each epoch.

    Example:
        >>> from ratlp.data import Moons
        >>> setting = Setting(epochs=1)
        >>> members = [Member.of(Moons(n=50), setting, seed) for seed in range(3)]
        >>> train_stacked(members, setting, "ratlp").x_test.shape
        torch.Size([3, 10, 2])
    """
    net = stack([member.net for member in members])
    loss_of = loss_function(_Flat(net), "net.encoder", setting, method)
    optimiser = torch.optim.Adam(net.parameters(), lr=setting.lr)
    x, y = (_stacked([getattr(m.split, part) for m in members]) for part in ("x_train", "y_train"))
    x = x.flatten(2)
    rows = torch.arange(len(members)).unsqueeze(1)
    for _ in range(setting.epochs):
        order = torch.stack([torch.randperm(x.shape[1], generator=m.generator) for m in members])
        for batch in order.split(setting.batch_size, dim=1):
            loss = loss_of(x[rows, batch], y[rows, batch].flatten())
            optimiser.zero_grad()
            (loss * len(members)).backward()
            optimiser.step()
        advance()
    return TrainedStack(
        net,
        _stacked([m.split.x_test for m in members]).flatten(2),
        _stacked([m.split.y_test for m in members]),
    )


def train_one(member: Member, setting: Setting, method: Method) -> nn.Module:
    """Train one member by itself, in the plain way: the twin that `train_stacked` is held against.

    Example:
        >>> from ratlp.data import Moons
        >>> setting = Setting(epochs=1)
        >>> net = train_one(Member.of(Moons(n=50), setting, seed=0), setting, "standard")
        >>> net(torch.zeros(1, 2)).shape
        torch.Size([1, 2])
    """
    net = member.net
    loss_of = loss_function(net, "encoder", setting, method)
    optimiser = torch.optim.Adam(net.parameters(), lr=setting.lr)
    x, y = member.split.x_train.flatten(1), member.split.y_train
    for _ in range(setting.epochs):
        order = torch.randperm(len(x), generator=member.generator)
        for batch in order.split(setting.batch_size):
            optimiser.zero_grad()
            loss_of(x[batch], y[batch]).backward()
            optimiser.step()
    return net


def loss_function(model: nn.Module, layer: str, setting: Setting, method: Method) -> Callable[[Tensor, Tensor], Tensor]:
    """The training loss of a method, as a function of a batch."""
    if method == "standard":
        return lambda x, y: cross_entropy(model(x), y)
    objective = RATLP(model, layer=layer, eps=setting.eps, weight=setting.weight)
    return lambda x, y: objective(x, y).loss


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    first = tensors[0]
    if all(tensor is first for tensor in tensors):  # a given split, shared: no copies
        return first.expand(len(tensors), *first.shape)
    return torch.stack(list(tensors))
