import pytest
import torch
from torch import nn

from ratlp.errors import InputError
from ratlp.models import LATENT_ACTIVATIONS, mlp, stack, unstack


@pytest.mark.parametrize("activation", LATENT_ACTIVATIONS)
def test_each_net_computes_what_it_computed_alone(activation):
    nets = [
        mlp(3, classes=2, hidden=(5, 4), latent_activation=LATENT_ACTIVATIONS[activation]).double() for _ in range(4)
    ]
    x = torch.randn(4, 6, 3).double()
    together = stack(nets)(x)
    for i, net in enumerate(nets):
        assert torch.allclose(together[i], net(x[i]), rtol=1e-12)


def test_no_gradient_flows_between_nets():
    stacked = stack([mlp(3, classes=2) for _ in range(4)])
    stacked(torch.randn(4, 6, 3))[1].sum().backward()
    for parameter in stacked.parameters():
        assert (parameter.grad[[0, 2, 3]] == 0).all()


def test_unstack_gives_the_net_back():
    nets = [mlp(3, classes=2) for _ in range(4)]
    back = unstack(stack(nets), nets[0], 2)
    for found, original in zip(back.parameters(), nets[2].parameters(), strict=True):
        assert torch.equal(found, original)


def test_the_nets_are_left_as_they_are():
    nets = [mlp(3, classes=2) for _ in range(2)]
    before = [p.clone() for net in nets for p in net.parameters()]
    stacked = stack(nets)
    with torch.no_grad():
        for parameter in stacked.parameters():
            parameter.zero_()
    after = [p for net in nets for p in net.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert isinstance(nets[0].classifier, nn.Linear)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.BatchNorm1d(4), "found BatchNorm1d at '1'"),
        (nn.BatchNorm1d(4, affine=False), "found BatchNorm1d at '1'"),
        (nn.PReLU(), "found PReLU at '1'"),
        (nn.Linear(4, 4, bias=False), "with a bias; found none in '1'"),
    ],
)
def test_what_cannot_be_stacked_is_refused(layer, message):
    with pytest.raises(InputError, match=message):
        stack([nn.Sequential(nn.Linear(3, 4), layer)] * 2)
