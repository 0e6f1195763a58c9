import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ratlp.attacks import InnerProblem, Noise, Square
from ratlp.attacks.square import _shares
from ratlp.attacks.windows import Image, Vector
from ratlp.errors import InputError
from ratlp.perturbations import L2, LInf

SHAPES = [(6, 10), (6, 5, 4), (6, 2, 5, 4), (6, 2, 1, 3, 3), (6, 1), (6, 1, 1), (6, 3, 2, 7)]


def recorded(shape, perturbation, queries, seed=0):
    """What the attack tries on a random net, its losses there, and its result."""
    net, x, tried, losses = nn.Linear(math.prod(shape[1:]), 3), torch.rand(shape), [], []

    def losses_at(deltas):
        found = cross_entropy(net((x + deltas[0]).flatten(1)), torch.arange(len(x)) % 3, reduction="none")
        tried.append(deltas[0])
        losses.append(found)
        assert not found.requires_grad
        return found

    (delta,) = Square(queries=queries, seed=seed)(InnerProblem(losses_at, [x], [perturbation]))
    return delta, torch.stack(tried), torch.stack(losses)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("perturbation", [LInf(0.2), L2(0.4)], ids=repr)
def test_looks_at_scores_alone_and_returns_the_best_it_tried(shape, perturbation):
    delta, tried, losses = recorded(shape, perturbation, 25)
    assert len(tried) == 25
    best = losses.argmax(0)
    assert torch.equal(delta, tried[best, torch.arange(6)])


@pytest.mark.parametrize("shape", SHAPES)
def test_every_linf_query_is_a_corner_of_the_ball(shape):
    _, tried, _ = recorded(shape, LInf(0.2), 25)
    assert torch.allclose(tried.abs(), torch.full((), 0.2))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_l2_query_lies_on_the_surface(shape):
    _, tried, _ = recorded(shape, L2(0.4), 25)
    assert torch.allclose(tried.flatten(2).norm(dim=2), torch.full((), 0.4))


def test_a_change_is_a_square_with_one_sign_per_channel():
    _, tried, losses = recorded((6, 2, 8, 8), LInf(0.2), 60)
    kept, highest = tried[0], losses[0]
    for delta, loss in zip(tried[1:], losses[1:], strict=True):
        for now, before in zip((delta - kept).flatten(0, 1), kept.flatten(0, 1), strict=True):
            rows, columns = now.nonzero().unbind(1)
            if len(rows):
                window = (before + now)[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
                assert (window == window[0, 0]).all()
        better = loss > highest
        kept = torch.where(better[:, None, None, None], delta, kept)
        highest = torch.maximum(loss, highest)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.8, 1.0])
def test_windows_hold_their_share_anywhere(share):
    generator = torch.Generator().manual_seed(0)
    image, vector = Image(torch.zeros(400, 3, 9, 9), generator), Vector(torch.zeros(400, 40), generator)
    for plane, size in ((image, round(math.sqrt(share * 81)) ** 2), (vector, round(share * 40))):
        windows = plane.windows(share)
        assert windows.mask.shape == (400, 1, *plane.shape[2:])
        assert (windows.mask.sum((1, 2, 3)) == size).all()
        assert windows.mask.any(0).all()  # also at the edges
        bumps = windows.bumps()
        assert torch.allclose(bumps.square().sum((1, 2, 3)), torch.ones(()))
        assert not bumps[~windows.mask].any()


def test_bumps_are_those_of_the_paper():
    """Equation 3 of arXiv 1912.00049, for a window of 4 by 4, upright: two bumps of 2 by 4."""
    ring = torch.tensor([[2, 1, 1, 1], [2, 1, 0, 1]])
    tails = torch.tensor([1 + 1 / 4 + 1 / 9, 1 / 4 + 1 / 9, 1 / 9])
    expected = torch.cat([tails[ring], -tails[ring]])
    image = Image(torch.zeros(1, 4, 4), torch.Generator().manual_seed(0))
    found = image.windows(1.0).bumps()[0, 0]
    expected = expected / expected.norm()
    assert torch.allclose(found, expected) or torch.allclose(found, expected.T)


def test_schedule_of_the_paper():
    shares = _shares(10_000, 0.8)
    assert [shares[i] for i in (0, 10, 11, 50, 51, 8001)] == [0.8, 0.8, 0.4, 0.4, 0.2, 0.8 / 512]
    assert _shares(100, 0.8)[1] == 0.2  # scaled: as query 100 of 10 000


@pytest.mark.parametrize(
    "perturbation", [LInf(0.2), L2(0.4), LInf(0.2, bounds=(0, 1)), L2(0.4, bounds=(0, 1))], ids=repr
)
@pytest.mark.parametrize("shape", [(6, 30), (6, 1, 6, 6)])
def test_finds_more_than_noise(perturbation, shape):
    net, x = nn.Linear(math.prod(shape[1:]), 3), torch.rand(shape)

    def losses_at(deltas):
        return cross_entropy(net((x + deltas[0]).flatten(1)), torch.arange(6) % 3, reduction="none")

    problem = InnerProblem(losses_at, [x], [perturbation])
    square, noise = (problem.losses(attack(problem)) for attack in (Square(queries=200), Noise(draws=200)))
    assert (square > noise).all()


def test_own_generator():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    x = torch.zeros(4, 10)
    problem = InnerProblem(lambda deltas: deltas[0].sin().sum(1), [x], [LInf(0.1)])
    first, again, other = (Square(queries=4, seed=seed)(problem)[0] for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queries": 0}, "queries and restarts must be >= 1; found 0 and 1"),
        ({"restarts": 0}, "found 5000 and 0"),
        ({"share": 0.0}, r"share must be in \(0, 1\]; found 0.0"),
        ({"share": math.nan}, r"share must be in \(0, 1\]; found nan"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(InputError, match=message):
        Square(**options)


def test_repr():
    assert repr(Square()) == "Square(queries=5000)"
    assert repr(Square(queries=9, restarts=2, share=0.5, seed=3)) == "Square(queries=9, restarts=2, share=0.5, seed=3)"
