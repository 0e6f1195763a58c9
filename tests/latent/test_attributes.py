import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from ratlp.certificates import certify
from ratlp.latent.attributes import attributes_kept, tensors_and_flags

X, Y = torch.rand(5, 4), torch.tensor([0, 1, 2, 0, 1])


class Storing(nn.Module):
    """Keeps what it has computed, as feature extractors do."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 3)
        self.features, self.seen, self.ready, self.calls = None, {}, False, 0

    def forward(self, x):
        self.features = torch.relu(self.first(x))
        self.seen["features"] = self.features
        if not self.ready:
            self.scale, self.ready = x.new_ones(1), True
        self.calls += 1
        return self.last(self.features * self.scale)


@pytest.mark.parametrize("ran", [False, True])
@pytest.mark.parametrize("method", ["lipschitz", "interval", "linear"])
def test_certify_leaves_no_tensor_on_the_model(method, ran):
    model = Storing()
    if ran:
        model(X).sum().backward()
    before = dict(vars(model), seen=dict(model.seen), calls=None)
    certify(model, X, Y, eps=0.1, methods=[method])
    after = dict(vars(model), seen=dict(model.seen), calls=None)
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] or after[name] == before[name] for name in before)
    assert model.calls > 1  # what is no tensor is the model's own
    for parameter in model.parameters():
        parameter.grad = None
    if not ran:
        copy.deepcopy(model)
        assert model(X).dtype is torch.float32


def weight_normalised(linear):
    return nn.utils.weight_norm(linear)


def pruned(linear):
    return prune.l1_unstructured(linear, "weight", 0.5)


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
@pytest.mark.parametrize("reparametrised", [weight_normalised, pruned])
def test_weights_that_a_hook_computes_stay_what_they_were(reparametrised):
    model = nn.Sequential(reparametrised(nn.Linear(4, 8)), nn.ReLU(), nn.Linear(8, 3))
    model(X)
    weight = model[0].weight
    certify(model, X, Y, eps=0.1, methods=["interval"])
    assert model[0].weight is weight
    assert weight.requires_grad
    assert weight.dtype is torch.float32


def test_what_is_not_asked_for_stays():
    model = nn.Linear(2, 2)
    model.calls, model.last = 0, torch.zeros(1)
    last = model.last
    with attributes_kept(model, tensors_and_flags):
        model.calls, model.last, model.new, model.note = 1, torch.ones(1), [torch.ones(1)], "text"
    assert (model.calls, model.note) == (1, "text")
    assert model.last is last
    assert not hasattr(model, "new")


def test_also_when_the_body_raises():
    model = nn.ReLU()

    def failing():
        with attributes_kept(model):
            model.last = 1
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert not hasattr(model, "last")


def test_items_and_containers_are_put_back():
    model = nn.ReLU()
    model.seen, model.by_name = [1], {"a": 1}
    seen, by_name = model.seen, model.by_name
    with attributes_kept(model):
        model.seen += [2]
        model.by_name["b"] = 2
        model.by_name = {}
    assert model.seen is seen == [1]
    assert model.by_name is by_name
    assert by_name == {"a": 1}


def test_tensors_get_their_values_back_in_place():
    model = nn.ReLU()
    model.mean, model.table = torch.ones(3), torch.zeros(2, requires_grad=True)
    model.unmarked = torch.ones(3)
    mean, loss = model.mean, model.table.square().sum()
    version = model.table._version
    with attributes_kept(model):
        model.mean.mul_(0.9).add_(1)
        model.mean.data.mul_(2)
        model.unmarked.data.mul_(2)
        model.mean = torch.zeros(3)
    assert model.mean is mean
    assert torch.equal(mean, torch.ones(3))
    assert torch.equal(model.unmarked, torch.ones(3))
    assert model.table._version == version
    loss.backward()  # a graph from before is still good
