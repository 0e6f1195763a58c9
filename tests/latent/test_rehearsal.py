"""Models that a replay would not reproduce are refused on their first batch, before anything is trained on it."""

import pytest
import torch
from torch import nn
from torch.nn.functional import dropout

from ratlp.errors import LayerError
from ratlp.latent import Cut


class Parts(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.layer, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.relu = nn.ReLU(inplace=True)
        self.collected = []
        self.register_buffer("mean", torch.zeros(4))
        self.stem.register_forward_hook(lambda module, args, output: self.collected.append(output))


class FeaturesCollectedByAHook(Parts):
    def forward(self, x):
        self.collected.clear()
        z = self.layer(self.stem(x))
        return self.head(z + sum(self.collected))


class InputOfAnInplaceModuleAsSkip(Parts):
    def forward(self, x):
        h = self.stem(x)
        return self.head(self.layer(self.relu(h)).tanh() + h)


class RandomNumbersBetweenModules(Parts):
    def forward(self, x):
        h = dropout(self.stem(x), 0.5, self.training)
        return self.head(self.layer(h) - h)


class StatisticsInCodeBetweenModules(Parts):
    def forward(self, x):
        h = self.stem(x)
        with torch.no_grad():
            self.mean.lerp_(h.mean(0), 0.5)
        return self.head(self.layer(h - self.mean))


class SharedMemory(Parts):
    def forward(self, x):
        a = self.stem(x)
        a[:, :2].mul_(2.0)
        b = a.view(-1, 4)
        b.mul_(2.0)
        return self.head(self.layer(x).tanh() + a)


@pytest.mark.parametrize(
    "kind",
    [
        FeaturesCollectedByAHook,
        InputOfAnInplaceModuleAsSkip,
        RandomNumbersBetweenModules,
        StatisticsInCodeBetweenModules,
    ],
)
def test_what_a_replay_does_not_reproduce_is_refused(kind):
    with pytest.raises(LayerError, match="must compute what the model computes"):
        Cut(kind(), ["layer"]).encode(torch.randn(6, 4))


def test_views_changed_in_place_by_the_forward_are_reproduced():
    model, x = SharedMemory(), torch.randn(6, 4)
    cut = Cut(model, ["layer"])
    assert torch.allclose(cut.replay(cut.encode(x)), model(x))


def test_it_is_refused_again_the_next_time():
    cut = Cut(FeaturesCollectedByAHook(), ["layer"])
    for _ in range(2):
        with pytest.raises(LayerError, match="must compute what the model computes"):
            cut.encode(torch.randn(6, 4))


def test_each_mode_is_rehearsed():
    model, x = RandomNumbersBetweenModules(), torch.randn(6, 4)
    cut = Cut(model.eval(), ["layer"])
    assert torch.allclose(cut.replay(cut.encode(x)), model(x))
    model.train()
    with pytest.raises(LayerError, match="must compute what the model computes"):
        cut.encode(x)


def test_dropout_modules_pass_and_the_random_state_is_as_without_a_rehearsal():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.Linear(4, 4), nn.Dropout(), nn.Linear(4, 3))
    x = torch.randn(6, 4)
    torch.manual_seed(1)
    expected = model[1](model[0](x))
    torch.manual_seed(1)
    assert torch.equal(Cut(model, ["1"]).encode(x).latent, expected)


def test_buffers_that_a_forward_moves_without_a_mark_are_found():
    class Quiet(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.zeros(4))
            self.register_buffer("fixed", torch.zeros(4))

        def forward(self, x):
            self.mean.data.lerp_(x.detach().mean(0), 0.5)
            return x

    model = nn.Sequential(nn.Linear(4, 4), Quiet(), nn.Linear(4, 3))
    cut = Cut(model, ["0"])
    cut.encode(torch.randn(6, 4))
    assert cut.moved == {(model[1], "mean")}
    assert torch.equal(model[1].mean, torch.zeros(4))


def test_what_training_showed_is_kept_over_an_evaluation():
    class Quiet(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.zeros(4))

        def forward(self, x):
            if self.training:
                self.mean.data.lerp_(x.detach().mean(0), 0.5)
                x = x * 1
            return x

    class InPlaceInTraining(Parts):
        def forward(self, x):
            skip = self.stem(x)
            h = self.layer(x)
            if self.training:
                skip += 1
            return self.head(h + skip)

    for model, layer in (
        (nn.Sequential(nn.Linear(4, 4), Quiet(), nn.Linear(4, 3)), "0"),
        (InPlaceInTraining(), "layer"),
    ):
        cut, x = Cut(model, [layer]), torch.randn(6, 4)
        cut.encode(x)
        moved = set(cut.moved)
        model.eval()
        with torch.no_grad():
            cut.encode(x)
        model.train()
        assert cut.moved == moved
        before = [buffer.clone() for buffer in model.buffers()]
        found = cut.replay(cut.encode(x))
        for buffer, value in zip(model.buffers(), before, strict=True):
            buffer.copy_(value)
        assert torch.allclose(found, model(x))
