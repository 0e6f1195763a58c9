"""The rules by which stored numbers become model inputs, and what 1.0 then means."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ratlp.errors import InputError

Array = NDArray[np.generic]
Inputs = NDArray[np.float32]


@dataclass(frozen=True)
class Scaling:
    """A rule that maps a training and a test part to float32 inputs.

    Attributes:
        bounds: The range of the inputs that come out; None where unbounded.
        units: What 1.0 means in them.
        apply: Maps `(train, test)`, each `[n, *features]`, to float32 of the same shapes.

    Example:
        >>> PIXELS.apply(np.array([[255]], np.uint8), np.array([[51]], np.uint8))[1]
        array([[0.2]], dtype=float32)
    """

    bounds: tuple[float, float] | None
    units: str
    apply: Callable[[Array, Array], tuple[Inputs, Inputs]]


def scaling_for(*parts: Array) -> Scaling:
    """Choose the rule for data: uint8 are pixels, [0, 1] is left alone, the rest is standardised.

    Args:
        parts: All parts of the data (the whole, or train and test), finite numbers.

    Returns:
        The rule that holds for every part.

    Example:
        >>> scaling_for(np.array([[0.5], [1.5]])).units
        'standard deviations of the training part'
    """
    if all(part.dtype == np.uint8 for part in parts):
        return PIXELS
    if all(_within_unit_interval(part) for part in parts):
        return UNIT_INTERVAL
    return STANDARDISED


def standardise(train: Array, test: Array) -> tuple[Inputs, Inputs]:
    """Subtract the training part's mean and divide by its standard deviation, per feature.

    A feature that is constant in the training part has no scale, and becomes 0 in both parts.

    Args:
        train: The training inputs, `[n_train, *features]`.
        test: The test inputs, `[n_test, *features]`; they have no say in the scale.

    Returns:
        Both parts as float32.

    Raises:
        InputError: A value is so many standard deviations away that float32 cannot hold it.

    Example:
        >>> standardise(np.array([[1.0], [3.0]]), np.array([[5.0]]))[1]
        array([[3.]], dtype=float32)
    """
    mean = train.mean(axis=0, dtype=np.float64)
    deviation = train.std(axis=0, dtype=np.float64)
    # Rounding in the mean gives a constant such as 0.1 a deviation above 0: compare the values.
    varies = (train.min(axis=0) < train.max(axis=0)) & (deviation > 0)
    scale = np.where(varies, deviation, 1.0)

    def scaled(part: Array) -> Inputs:
        with np.errstate(over="ignore"):
            inputs = np.where(varies, (part - mean) / scale, 0.0).astype(np.float32)
        if not np.isfinite(inputs).all():
            raise InputError(
                "standardised inputs must fit in float32; found a value more than 3e38 training "
                "standard deviations from the mean: remove the outlier or rescale the feature"
            )
        return inputs

    return scaled(train), scaled(test)


def as_float32(train: Array, test: Array) -> tuple[Inputs, Inputs]:
    """Leave the values as they are, in float32.

    Example:
        >>> as_float32(np.array([[1]]), np.array([[2]]))[1]
        array([[2.]], dtype=float32)
    """
    return train.astype(np.float32), test.astype(np.float32)


def _pixels(train: Array, test: Array) -> tuple[Inputs, Inputs]:
    white = np.float32(255)
    return np.divide(train, white, dtype=np.float32), np.divide(test, white, dtype=np.float32)


def _within_unit_interval(part: Array) -> bool:
    return bool(part.min() >= 0 and part.max() <= 1)


PIXELS = Scaling((0.0, 1.0), "pixel intensity, 0 to 1", _pixels)
UNIT_INTERVAL = Scaling((0.0, 1.0), "the data's own units, 0 to 1", as_float32)
STANDARDISED = Scaling(None, "standard deviations of the training part", standardise)
