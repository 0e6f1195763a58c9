import pytest
import torch
from torch import nn

from ratlp.errors import LayerError
from ratlp.latent import Cut
from ratlp.models import mlp


class Skip(nn.Module):
    """A connection across the layer, a module used on both sides of it, and one used twice before it."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(4, 4)
        self.act = nn.Tanh()
        self.layer = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        skip = self.act(self.norm(self.act(self.stem(x))))
        return self.head(self.act(self.layer(skip)) + skip)


class Counted(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.module(x)


@pytest.fixture
def x():
    return torch.randn(6, 4)


@pytest.mark.parametrize("layer", ["stem", "norm", "layer", "head"])
def test_replay_of_the_latent_gives_the_models_output(layer, x):
    model = Skip().eval()
    cut = Cut(model, [layer])
    recording = cut.encode(x)
    assert torch.equal(cut.replay(recording), model(x))


def test_a_perturbed_latent_reaches_the_output_through_the_suffix_only(x):
    model = Skip().eval()
    cut = Cut(model, ["layer"])
    recording = cut.encode(x)
    delta = torch.randn_like(recording.latent)
    skip = model.act(model.norm(model.act(model.stem(x))))
    expected = model.head(model.act(model.layer(skip) + delta) + skip)
    assert torch.allclose(cut.replay(recording.with_latent(recording.latent + delta)), expected)


def test_nested_layer_by_its_dotted_name(x):
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.Linear(4, 2))
    cut = Cut(model, ["1.0"])
    recording = cut.encode(x)
    assert torch.equal(recording.latent, model[1][0](model[0](x)))
    assert torch.equal(cut.replay(recording), model(x))


def test_each_side_runs_once_a_pass(x):
    model = nn.Sequential(Counted(nn.Linear(4, 4)), nn.Identity(), Counted(nn.Linear(4, 2)))
    cut = Cut(model, ["1"])
    cut.encode(x)  # the first batch is looked at once more
    model[0].calls = model[2].calls = 0
    recording = cut.encode(x)
    assert (model[0].calls, model[2].calls) == (1, 0)
    for _ in range(2):
        cut.replay(recording)
    assert (model[0].calls, model[2].calls) == (1, 2)


def test_a_users_hook_is_not_applied_twice(x):
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    for i in (0, 1):
        model[i].register_forward_hook(lambda module, args, output: 2 * output)
    cut = Cut(model, ["1"])
    recording = cut.encode(x)
    assert torch.equal(cut.replay(recording), model(x))


class TestNothingIsLeftBehind:
    def state(self, model):
        return [(len(m._forward_hooks), len(m._forward_pre_hooks), set(vars(m)), m.training) for m in model.modules()]

    def test_after_success(self, x):
        model = Skip()
        before = self.state(model)
        cut = Cut(model, ["layer"])
        recording = cut.encode(x)
        cut.replay(recording)
        assert self.state(model) == before

    @pytest.mark.parametrize("broken", ["stem", "head"])
    def test_when_the_model_raises(self, broken, x):
        model = Skip()
        setattr(model, broken, nn.Linear(5, 4))
        before = self.state(model)
        cut = Cut(model, ["layer"])
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            cut.replay(cut.encode(x))
        assert self.state(model) == before

    def test_a_forward_set_on_the_instance_is_put_back(self, x):
        model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
        original = model[0].forward
        wrapped = model[0].forward = lambda x: original(x) + 1
        cut = Cut(model, ["0"])
        recording = cut.encode(x)
        assert torch.equal(cut.replay(recording), model(x))
        assert model[0].forward is wrapped


class TestErrors:
    def test_unknown_layer(self):
        with pytest.raises(LayerError, match=r"found 'encoder.4'. Names that fit: .*'encoder.0'"):
            Cut(mlp(2, classes=2), ["encoder.4"])

    @pytest.mark.parametrize("layer", ["", None, 3])
    def test_not_a_name(self, layer):
        with pytest.raises(LayerError, match="must name a submodule"):
            Cut(mlp(2, classes=2), [layer])

    def test_model_without_submodules(self):
        with pytest.raises(LayerError, match="none: the model has no submodules"):
            Cut(nn.Linear(2, 2), ["encoder"])

    def test_layer_never_called(self, x):
        model = nn.Sequential(nn.Linear(4, 4))
        model[0].unused = nn.Linear(4, 4)
        with pytest.raises(LayerError, match=r"'0\.unused' was not"):
            Cut(model, ["0.unused"]).encode(x)

    def test_layer_that_returns_no_tensor(self, x):
        class Shape(nn.Module):
            def forward(self, x):
                return tuple(x.shape)

        model = nn.Sequential(Shape())
        with pytest.raises(LayerError, match="Shape returned tuple without a tensor"):
            Cut(model, ["0"]).encode(x)

    def test_layer_that_returns_integers(self, x):
        class Index(nn.Module):
            def forward(self, x):
                return x.argmax(-1)

        model = nn.Sequential(Index(), nn.Embedding(4, 2))
        with pytest.raises(LayerError, match=r"Index returned a tensor of torch\.int64"):
            Cut(model, ["0"]).encode(x)

    def test_forward_that_takes_another_path(self, x):
        class Fickle(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b, self.layer = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
                self.other = False

            def forward(self, x):
                return self.layer(self.b(x) if self.other else self.a(x))

        model = Fickle()
        cut = Cut(model, ["layer"])
        recording = cut.encode(x)
        model.other = True
        with pytest.raises(LayerError, match="must take the same path"):
            cut.replay(recording)
