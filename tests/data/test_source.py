import pickle
import sys

import numpy as np
import pytest
import torch

from ratlp.data import Digits, Moons, Source, Split
from ratlp.errors import InputError, MissingExtraError

TENSORS = ("x_train", "y_train", "x_test", "y_test")


def same(a: Split, b: Split) -> bool:
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in TENSORS)


@pytest.fixture(scope="module", params=[Moons(n=60), Moons(n=60, standardise=True), Digits()])
def source(request: pytest.FixtureRequest) -> Source:
    return request.param


def test_the_same_seed_gives_the_same_split(source: Source) -> None:
    np.random.seed(1)
    torch.manual_seed(1)
    first = source.draw(5)
    np.random.seed(2)
    torch.manual_seed(2)
    assert same(first, source.draw(5))
    assert not same(first, source.draw(6))


def test_a_copy_in_another_process_draws_the_same(source: Source) -> None:
    assert same(pickle.loads(pickle.dumps(source)).draw(5), source.draw(5))


def test_global_random_state_is_left_alone(source: Source) -> None:
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()
    source.draw(5)
    assert (np.random.get_state()[1] == numpy_state).all()
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_tensors_are_as_described(source: Source) -> None:
    split = source.draw(0)
    for x, y in ((split.x_train, split.y_train), (split.x_test, split.y_test)):
        assert x.dtype == torch.float32
        assert x.shape == (len(y), *source.features)
        assert y.dtype == torch.int64
        assert y.unique().tolist() == list(range(source.classes))


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, "1", None])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(InputError, match=r"seed must be an integer from 0 to 4294967295; found"):
        Moons().draw(seed)


def test_a_numpy_integer_is_a_seed() -> None:
    assert same(Moons(n=20).draw(np.int64(3)), Moons(n=20).draw(3))


@pytest.mark.parametrize("module", ["sklearn.datasets", "sklearn.model_selection"])
def test_missing_scikit_learn_names_the_extra(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"'scikit-learn'.*ratlp\[cli\]"):
        Digits().draw(0)
    with pytest.raises(MissingExtraError, match=r"'scikit-learn'.*ratlp\[cli\]"):
        Moons().draw(0)


@pytest.mark.parametrize(
    ("features", "image"),
    [
        ((28, 28), (1, 28, 28)),
        ((3, 8, 8), (3, 8, 8)),
        ((1, 8, 8), (1, 8, 8)),
        ((5, 8, 8), None),
        ((64,), None),
        ((2, 3, 8, 8), None),
    ],
)
def test_which_inputs_are_images(features: tuple[int, ...], image: tuple[int, int, int] | None) -> None:
    source = Moons()
    source.features = features
    assert source.image == image
