from dataclasses import replace

import pytest
import torch

from ratlp.data import Moons
from ratlp.experiments import METHODS, Setting
from ratlp.experiments.training import Member, train_one, train_stacked
from ratlp.models import unstack

SHORT = Setting(epochs=4)


def in_double(member):
    split = member.split
    double = replace(split, x_train=split.x_train.double(), x_test=split.x_test.double())
    return replace(member, split=double, net=member.net.double())


def member(seed, setting=SHORT):
    return Member.of(Moons(n=300), setting, seed)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("activation", ["none", "relu"])
def test_stacked_and_looped_training_give_the_same_nets(method, activation):
    setting = replace(SHORT, latent_activation=activation)
    seeds = range(5)
    stacked = train_stacked([in_double(member(s, setting)) for s in seeds], setting, method)
    for i, seed in enumerate(seeds):
        alone = train_one(in_double(member(seed, setting)), setting, method)
        together = unstack(stacked.net, alone, i)
        for a, b in zip(alone.parameters(), together.parameters(), strict=True):
            assert torch.allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("method", METHODS)
def test_a_net_does_not_depend_on_its_neighbours(method):
    first = train_stacked([in_double(member(0)), in_double(member(1))], SHORT, method)
    second = train_stacked([in_double(member(7)), in_double(member(0))], SHORT, method)
    like = member(0).net.double()
    a, b = unstack(first.net, like, 0), unstack(second.net, like, 1)
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        assert torch.allclose(p, q, rtol=1e-9, atol=1e-11)


def test_the_methods_start_alike_and_end_apart():
    a, b = member(3), member(3)
    for p, q in zip(a.net.parameters(), b.net.parameters(), strict=True):
        assert torch.equal(p, q)
    train_one(a, SHORT, "standard")
    train_one(b, SHORT, "ratlp")
    assert not torch.equal(a.net.classifier.weight, b.net.classifier.weight)


def test_the_global_random_state_is_left_alone():
    before = torch.get_rng_state()
    train_stacked([member(0), member(1)], SHORT, "ratlp")
    assert torch.equal(torch.get_rng_state(), before)


def test_progress_advances_once_an_epoch():
    steps = []
    train_stacked([member(0)], SHORT, "ratlp", advance=lambda: steps.append(1))
    assert len(steps) == SHORT.epochs


def test_a_given_split_is_shared_without_copies():
    from ratlp.experiments.training import _stacked

    tensor = torch.randn(10, 3)
    assert _stacked([tensor, tensor]).data_ptr() == tensor.data_ptr()
