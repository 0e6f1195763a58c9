import pytest
import torch
from torch import nn

from ratlp.errors import InputError, LayerError
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


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.act, self.second = nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3)

    def forward(self, x):
        return self.second(self.act(self.first(self.act(x))))


class TestModulesCalledMoreThanOnce:
    @pytest.mark.parametrize(("layer", "latent"), [("act#1", "x"), ("act#2", "h")])
    def test_the_call_is_chosen_by_number(self, layer, latent, x):
        model = Twice()
        cut = Cut(model, [layer])
        recording = cut.encode(x)
        values = {"x": torch.tanh(x), "h": torch.tanh(model.first(torch.tanh(x)))}
        assert torch.equal(recording.latent, values[latent])
        assert torch.equal(cut.replay(recording), model(x))

    def test_both_calls_as_two_layers(self, x):
        model = Twice()
        cut = Cut(model, ["act#2", "act#1"])
        recording = cut.encode(x)
        assert recording.name == "act#1"
        moved = cut.replay(recording, taps={"act#2": lambda h: h + 1})
        assert torch.allclose(moved, model.second(torch.tanh(model.first(torch.tanh(x))) + 1))

    def test_without_a_number_it_is_refused(self, x):
        with pytest.raises(LayerError, match="'act' is called again: choose 'act#1', 'act#2'"):
            Cut(Twice(), ["act"]).encode(x)

    def test_a_call_that_is_never_made(self, x):
        with pytest.raises(LayerError, match="'act#3' was not"):
            Cut(Twice(), ["act#3"]).encode(x)

    @pytest.mark.parametrize("name", ["act#0", "act#", "act#two", "act#-1"])
    def test_no_such_number(self, name):
        with pytest.raises(LayerError, match="'name#2' for its second call"):
            Cut(Twice(), [name])


class TestCodeThatChangesThingsInPlace:
    def test_the_input(self, x):
        class Scaling(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

            def forward(self, x):
                return self.head(self.layer(x.mul_(0.5)))

        model, before = Scaling(), x.clone()
        cut = Cut(model, ["layer"])
        recording = cut.encode(x)
        assert torch.equal(x, before)
        assert torch.equal(recording.latent, model.layer(0.5 * x))
        for _ in range(2):
            assert torch.equal(cut.replay(recording), model.head(recording.latent))

    @pytest.mark.parametrize("frozen", [True, False])
    def test_an_earlier_output_after_the_layer(self, frozen, x):
        class Residual(nn.Module):
            def __init__(self):
                super().__init__()
                self.stem, self.layer, self.head = nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3)

            def forward(self, x):
                skip = self.stem(x)
                h = self.layer(skip)
                skip += h
                return self.head(skip)

        model = Residual()
        model.stem.requires_grad_(not frozen)
        cut = Cut(model, ["layer"])
        recording = cut.encode(x)
        for _ in range(2):
            assert torch.equal(cut.replay(recording), model(x))

    def test_code_that_begins_to_do_so_later_is_detected(self, x):
        class Later(nn.Module):
            def __init__(self):
                super().__init__()
                self.stem, self.layer, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
                self.stem.requires_grad_(False)
                self.in_place = False

            def forward(self, x):
                skip = self.stem(x)
                h = self.layer(skip)
                if self.in_place:
                    skip += 1
                return self.head(h + skip)

        model = Later()
        cut = Cut(model, ["layer"])
        cut.encode(x)
        model.in_place = True
        with pytest.raises(LayerError, match="changes an output of Linear in place"):
            cut.replay(cut.encode(x))


class TestModulesThatAreExchanged:
    def test_a_new_layer_is_found(self, x):
        model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3))
        cut = Cut(model, ["0"])
        cut.encode(x)
        model[0] = nn.Linear(4, 4)
        assert torch.equal(cut.encode(x).latent, model[0](x))

    def test_a_layer_that_is_gone_is_an_error(self, x):
        model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3))
        cut = Cut(model, ["1"])
        del model[1]
        with pytest.raises(LayerError, match="found '1'"):
            cut.encode(x)


def test_input_is_the_models_own_even_where_a_module_is_called_so(x):
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.input, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x):
            return self.head(self.input(x))

    model = Named()
    assert torch.equal(Cut(model, ["input"]).encode(x).latent, x)
    assert torch.equal(Cut(model, ["input#1"]).encode(x).latent, model.input(x))


@pytest.mark.parametrize("kind", ["tensor", "tuple", "mapping"])
def test_inputs_of_any_kind(kind, x):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, a, b=0.0):
            return {"logits": self.head(self.layer(a) + b)}

    model, b = Two(), torch.randn(6, 4)
    inputs = {"tensor": x, "tuple": (x, b), "mapping": {"b": b, "a": x, "labels": torch.ones(6)}}[kind]
    cut = Cut(model, ["layer"])
    expected = model(x, 0.0 if kind == "tensor" else b)["logits"]
    assert torch.equal(cut.replay(cut.encode(inputs)), expected)


def test_a_model_without_logits(x):
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3))
    model.register_forward_hook(lambda module, args, output: "text")
    with pytest.raises(InputError, match="a model must return logits"):
        Cut(model, ["0"]).encode(x)
