import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from ratlp.data.scaling import (
    PIXELS,
    STANDARDISED,
    UNIT_INTERVAL,
    Scaling,
    scaling_for,
    standardise,
)
from ratlp.errors import InputError


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([np.array([[0, 255]], np.uint8)], PIXELS),
        ([np.array([[0, 1]], np.uint8)], PIXELS),
        ([np.array([[0, 1]], np.int64)], UNIT_INTERVAL),
        ([np.array([[False, True]])], UNIT_INTERVAL),
        ([np.array([[0.0, 0.3]]), np.array([[1.0, 0.5]])], UNIT_INTERVAL),
        ([np.array([[0.0, 0.3]]), np.array([[1.1, 0.5]])], STANDARDISED),
        ([np.array([[-1e-9, 0.3]])], STANDARDISED),
        ([np.array([[0, 255]], np.uint16)], STANDARDISED),
    ],
)
def test_the_rule_follows_type_and_range(parts: list[np.ndarray], expected: Scaling) -> None:
    assert scaling_for(*parts) is expected


def test_pixels_reach_both_bounds() -> None:
    pixels = np.arange(256, dtype=np.uint8)[:, None]
    inputs, _ = PIXELS.apply(pixels, pixels)
    assert (inputs[0, 0], inputs[-1, 0], inputs.dtype) == (0, 1, np.float32)


def test_the_test_part_has_no_say_in_the_scale() -> None:
    train = np.random.default_rng(0).normal(5, 3, (50, 4))
    first, _ = standardise(train, np.zeros((2, 4)))
    second, test = standardise(train, np.full((2, 4), 1e6))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(first.std(0), 1, rtol=1e-6)
    np.testing.assert_allclose(test, (1e6 - train.mean(0)) / train.std(0) * np.ones((2, 1)), 1e-6)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e30, -7.3])
def test_a_constant_feature_becomes_zero(constant: float) -> None:
    train = np.stack([np.full(11, constant), np.arange(11.0)], axis=1)
    inputs, test = standardise(train, np.array([[3.0, 5.0]]))
    assert not inputs[:, 0].any()
    assert test.tolist() == [[0, 0]]


@given(arrays(np.float32, (5, 2), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_any_float32_training_part_stays_finite(train: np.ndarray) -> None:
    inputs, _ = standardise(train, train)
    assert np.isfinite(inputs).all()
    assert np.abs(inputs).max() <= 5**0.5


def test_an_outlier_beyond_float32_is_refused() -> None:
    with pytest.raises(InputError, match=r"must fit in float32.*remove the outlier"):
        standardise(np.array([[0.0], [1e-30]]), np.array([[1e10]]))
