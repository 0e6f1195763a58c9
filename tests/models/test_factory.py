import sys

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import ratlp
from ratlp.errors import InputError
from ratlp.models import load_model, mlp, wide_cnn

CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout())
        self.head = nn.Linear(3, 2)
        self.tied = nn.Linear(3, 2)
        self.tied.weight = self.head.weight

    def forward(self, x):
        return self.head(self.body(x)) + self.tied(self.body(x))

    @classmethod
    def doubled(cls):
        return cls().double()

def make():
    return Net()

def lazily():
    import nets_part
    return nets_part.make()

def greedy(width):
    return Net()

def failing():
    raise OSError("no such\\nthing")

def leaving():
    raise SystemExit(3)

def text():
    return "a net"

def lazy():
    return nn.LazyLinear(2)

def empty():
    with torch.device("meta"):
        return Net()

model = Net()
number = 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A user's folder, which is the current one."""
    (tmp_path / "nets.py").write_text(CODE)
    (tmp_path / "nets_part.py").write_text("from nets import make")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "inner.py").write_text("from nets import make")
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "wrong.py").write_text("def (:")
    (tmp_path / "script.py").write_text("raise SystemExit('usage: script')")
    (tmp_path / "needing.py").write_text("import no_such_package_anywhere")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    modules, path = set(sys.modules), list(sys.path)
    yield tmp_path
    assert sys.path == path
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def moved(model):
    """A model whose BatchNorm has seen a batch."""
    model.train()(torch.rand(8, 2, dtype=next(model.parameters()).dtype))
    return model


def saved(model, path, **changes):
    state = {name: value.clone() for name, value in model.state_dict().items()} | changes
    save_file({name: value for name, value in state.items() if value is not None}, path)
    return path


@pytest.mark.parametrize("spec", ["nets:make", "nets:Net", "package.inner:make", "nets:lazily"])
def test_a_factory_and_its_weights(spec, folder):
    model = moved(load_model("nets:make").model)
    found = load_model(spec, weights=saved(model, folder / "w.safetensors"))
    assert found.origin == f"{spec}, with the weights of {folder / 'w.safetensors'}"
    assert not any(module.training for module in found.model.modules())
    for name, value in model.state_dict().items():
        assert torch.equal(found.model.state_dict()[name], value)
    assert found.model.body[1].num_batches_tracked == 2  # the forward pass runs it twice
    assert found.model.tied.weight is found.model.head.weight


def test_without_weights_the_origin_says_so():
    found = load_model("nets:make")
    assert found.origin == "nets:make as the factory made it: no weights were loaded"
    assert not found.model.training


def test_the_model_keeps_its_own_types(folder):
    model = moved(load_model("nets:Net").model)
    found = load_model("nets:Net.doubled", weights=saved(model, "w.safetensors")).model
    assert {p.dtype for p in found.parameters()} == {torch.float64}
    assert torch.equal(found.head.weight, model.head.weight.double())


@pytest.mark.parametrize("left_out", ["head.weight", "tied.weight"])
def test_one_name_of_a_tied_tensor_is_enough(left_out):
    model = load_model("nets:make").model
    found = load_model("nets:make", weights=saved(model, "w.safetensors", **{left_out: None})).model
    assert torch.equal(found.head.weight, model.head.weight)


def test_a_file_by_save_serves_as_weights():
    net = wide_cnn()
    ratlp.save(net, "net.safetensors")
    found = load_model("ratlp.models:wide_cnn", weights="net.safetensors").model
    assert torch.equal(found.classifier.weight, net.classifier.weight)


@pytest.mark.parametrize("as_text", [False, True])
def test_a_file_by_save(as_text, folder):
    net = mlp(3, classes=2)
    path = folder / "net.safetensors"
    ratlp.save(net, path)
    found = load_model(str(path) if as_text else path)
    assert found.origin == f"mlp, with the weights of {path}"
    assert torch.equal(found.model.classifier.weight, net.classifier.weight)
    assert not found.model.training


def test_the_current_folder_comes_first_and_is_taken_out_again(folder, monkeypatch):
    other = folder / "other"
    other.mkdir()
    (other / "nets.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(other), *sys.path])
    before = list(sys.path)
    assert isinstance(load_model("nets:make").model, nn.Module)
    assert sys.path == before
    with pytest.raises(InputError):
        load_model("broken:make")
    assert sys.path == before
    monkeypatch.undo()


def test_what_the_module_adds_to_the_path_stays(folder, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (folder / "adding.py").write_text("import sys\nfrom nets import make\nsys.path.insert(0, 'somewhere')")
    before = list(sys.path)
    load_model("adding:make")
    assert sys.path == ["somewhere", *before]
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "nonsense",
            r"a .safetensors file by ratlp.save or package.module:factory; found 'nonsense', which",
        ),
        ("nets.py:make", "can be imported from here; found no 'nets.py'"),
        ("./nets.py:make", "package.module:factory; found 'nets.py:make', which is neither"),
        ("", "must be a .safetensors file; found no file, but something else, at ."),
        ("nowhere:make", "must be one that can be imported from here; found no 'nowhere': run in the folder"),
        ("package.nowhere:make", r"must be one that can be imported from here; found no 'package.nowhere'"),
        ("nowhere.inner:make", r"found no 'nowhere': run in the folder"),
        ("needing:make", r"importing needing must work; found ModuleNotFoundError \(No module named 'no_such_package"),
        ("broken:make", r"importing broken must work; found ZeroDivisionError \(.*\): correct that code"),
        ("wrong:make", r"importing wrong must work; found SyntaxError"),
        ("script:make", r"importing script must work; found SystemExit \(usage: script\)"),
        ("nets:absent", r"the factory must be in its module; found no 'absent' in nets: check the name"),
        ("nets:Net.absent", r"found no 'Net.absent' in nets"),
        ("nets:model", r"found nets:model, which is a Net: write a function that returns it"),
        ("nets:number", r"found nets:number, which is a int: write a function"),
        ("nets:greedy", r"calling nets:greedy without arguments must work; found TypeError \(.*'width'\)"),
        ("nets:failing", r"calling nets:failing without arguments must work; found OSError \(no such thing\)"),
        ("nets:leaving", r"found SystemExit \(3\)"),
        ("nets:text", r"must return a torch.nn.Module; found that nets:text returns str"),
        ("nets:lazy", r"the model of nets:lazy must hold dense tensors .* found weight, which has no shape yet"),
        ("nets:empty", r"the model of nets:empty must hold .* which is on the meta device"),
        ("net.safetensors", r"found no file net.safetensors: check the path"),
    ],
)
def test_each_mistake_is_one_line(spec, message):
    with pytest.raises(InputError, match=message) as caught:
        load_model(spec)
    assert "\n" not in str(caught.value)


def test_a_pickle_as_the_model_or_as_weights_is_refused():
    torch.save(load_model("nets:make").model.state_dict(), "net.pt")
    with pytest.raises(InputError, match=r"net.pt, a pickle, which can run any code"):
        load_model("net.pt")
    with pytest.raises(InputError, match=r"net.pt, a pickle, which can run any code"):
        load_model("nets:make", weights="net.pt")


def test_weights_beside_a_file_are_refused():
    ratlp.save(mlp(3, classes=2), "net.safetensors")
    with pytest.raises(InputError, match=r"weights must go with a factory.*the file net.safetensors .* leave them out"):
        load_model("net.safetensors", weights="net.safetensors")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"body.1.running_mean": None}, "missing: body.1.running_mean: use"),
        ({"body.1.num_batches_tracked": None}, "missing: body.1.num_batches_tracked: use"),
        ({"head.weight": None, "tied.weight": None}, "missing: head.weight, tied.weight: use"),
        ({"more": torch.ones(1)}, "unexpected: more: use"),
        ({"head.bias": torch.ones(3)}, r"head.bias \(\[3\] float32 in place of \[2\] float32\)"),
        ({"tied.weight": torch.ones(3, 2)}, r"tied.weight \(\[3, 2\] float32 in place of \[2, 3\] float32\)"),
    ],
)
def test_weights_must_fit_the_factorys_model_entirely(changes, message):
    saved(load_model("nets:make").model, "w.safetensors", **changes)
    rule = "w.safetensors must hold the tensors of the model of nets:make; found .*"
    with pytest.raises(InputError, match=rule + message):
        load_model("nets:make", weights="w.safetensors")
