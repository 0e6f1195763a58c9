import numpy as np
from hypothesis import given, settings, strategies as st

from ratlp.data.scaling import STANDARDISED, UNIT_INTERVAL
from ratlp.data.stratified import StratifiedSource
from ratlp.data.validate import check_stratifiable
from ratlp.errors import InputError


def test_train_and_test_share_no_example() -> None:
    x, y = np.linspace(0, 1, 100)[:, None], np.arange(100) % 4
    split = StratifiedSource("ramp", x, y, scaling=UNIT_INTERVAL).draw(0)
    train, test = set(split.x_train[:, 0].tolist()), set(split.x_test[:, 0].tolist())
    assert not train & test
    assert (len(train), len(test)) == (80, 20)
    assert split.y_test.bincount().tolist() == [5] * 4


def test_inputs_keep_their_labels() -> None:
    y = np.arange(50) % 2
    split = StratifiedSource("same", y[:, None], y, scaling=UNIT_INTERVAL).draw(3)
    assert (split.x_train[:, 0] == split.y_train).all()
    assert (split.x_test[:, 0] == split.y_test).all()


def test_every_split_is_standardised_by_its_own_training_part() -> None:
    x = np.random.default_rng(0).normal(9, 4, (100, 3))
    source = StratifiedSource("normal", x, np.arange(100) % 2, scaling=STANDARDISED)
    for seed in range(3):
        split = source.draw(seed)
        assert split.x_train.mean(0).abs().max() < 1e-5
        assert (split.x_train.std(0, correction=0) - 1).abs().max() < 1e-5
        assert split.x_test.mean(0).abs().max() > 1e-3


@settings(max_examples=60)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.integers(0, 99))
def test_what_passes_the_check_can_be_split_with_every_class_in_training(counts: list[int], seed: int) -> None:
    y = np.repeat(np.arange(len(counts)), counts)
    try:
        check_stratifiable(y, "y")
    except InputError:
        return
    split = StratifiedSource("any", y[:, None] / 10, y, scaling=UNIT_INTERVAL).draw(seed)
    assert split.y_train.unique().tolist() == list(range(len(counts)))
