"""The rules that examples from any file must keep, each with an error that says what to do.

Every function takes the name that the user knows the array by, with its file: "a.npz: y_train".
"""

import math
import reprlib

import numpy as np
from numpy.typing import NDArray

from ratlp.data.scaling import Array
from ratlp.data.stratified import TEST_FRACTION
from ratlp.errors import InputError

_LARGEST_INPUT = float(np.finfo(np.float32).max)
_LARGEST_LABEL = 2**31 - 1


def checked_examples(x: Array, y: Array, *, x_name: str, y_name: str) -> tuple[Array, NDArray[np.int64]]:
    """Check inputs and labels on their own and against each other.

    Args:
        x: Inputs, `[n, *features]`.
        y: Labels, `[n]`; whole numbers of any type, or booleans.
        x_name: What the user calls `x`.
        y_name: What the user calls `y`.

    Returns:
        The inputs as they are, and the labels as int64.

    Raises:
        InputError: A shape is wrong, there are no examples, inputs are not finite numbers, or
            labels are not whole numbers from 0.

    Example:
        >>> checked_examples(np.zeros((2, 1)), np.array([0.0, 1.0]), x_name="x", y_name="y")[1]
        array([0, 1])
    """
    if x.ndim < 2:
        raise InputError(f"{x_name} must be [n, *features]; found shape {x.shape}: reshape it, one row per example")
    if y.ndim != 1:
        raise InputError(
            f"{y_name} must be one label per example, [n]; found shape {y.shape}: flatten it "
            "(one-hot rows: take the argmax)"
        )
    if len(x) != len(y):
        raise InputError(
            f"{x_name} and {y_name} must be of one length; found {len(x)} and {len(y)}: give every input one label"
        )
    if x.size == 0:
        raise InputError(f"{x_name} must hold examples; found shape {x.shape}: check how it was saved")
    check_finite(x, x_name)
    return x, _whole_labels(y, y_name)


def check_finite(x: Array, name: str) -> None:
    """Check that values are real numbers, finite, and within the range of float32.

    Raises:
        InputError: They are not; the message counts the values and gives the first position.

    Example:
        >>> check_finite(np.array(["old"]), "age")
        Traceback (most recent call last):
        ratlp.errors.InputError: age must hold real numbers; found type <U3: convert it to float32
    """
    if x.dtype.kind not in "buif":
        raise InputError(f"{name} must hold real numbers; found type {x.dtype}: convert it to float32")
    if x.dtype.kind != "f" or x.size == 0:
        return
    finite = np.isfinite(x)
    if not finite.all():
        nan = int(np.isnan(x).sum())
        infinite = int(x.size - finite.sum()) - nan
        first = np.argwhere(~finite)[0].tolist()
        where = first[0] if len(first) == 1 else first
        raise InputError(
            f"{name} must be finite; found {nan} NaN and {infinite} infinite values, the first "
            f"at index {where}: remove or replace them"
        )
    largest = max(abs(float(x.min())), abs(float(x.max())))
    if largest > _LARGEST_INPUT:
        raise InputError(f"{name} must fit in float32, up to 3.4e38; found {largest:.3g}: rescale the values")


def check_classes(y: NDArray[np.int64], name: str) -> None:
    """Check that training labels are exactly `0..C-1`, with `C >= 2`.

    Raises:
        InputError: A class is absent, or there is only one.

    Example:
        >>> check_classes(np.array([0, 1, 1]), "y")
    """
    present = np.unique(y)
    absent = np.flatnonzero(present != np.arange(len(present)))
    if len(absent):
        raise InputError(
            f"{name} must hold the labels 0..C-1, every class present; found labels from "
            f"{present[0]} to {present[-1]} without {absent[0]}: renumber them"
        )
    if len(present) < 2:
        raise InputError(f"{name} must hold at least 2 classes; found only label 0: add examples")


def check_stratifiable(y: NDArray[np.int64], name: str) -> None:
    """Check that a stratified 80/20 split can give both parts every class it needs.

    Raises:
        InputError: A class has one example, or the test part is smaller than the number of classes.

    Example:
        >>> check_stratifiable(np.array([0, 0, 0, 1, 1, 1]), "y")
    """
    counts = np.bincount(y)
    if counts.min() < 2:
        raise InputError(
            f"{name} must hold at least 2 examples of each class for a stratified split; "
            f"found {counts.min()} of class {counts.argmin()}: add examples or drop the class"
        )
    test = math.ceil(len(y) * TEST_FRACTION)
    if test < len(counts):
        raise InputError(
            f"{name} must be long enough that 20 % of it hold {len(counts)} classes; found "
            f"{len(y)} examples, {test} of them for the test: add examples or give the split"
        )


def check_test_part(
    train: tuple[Array, NDArray[np.int64]],
    test: tuple[Array, NDArray[np.int64]],
    *,
    x_name: str,
    y_name: str,
) -> None:
    """Check that a given test part is of the same task as its training part.

    Args:
        train: Training inputs and labels, already checked.
        test: Test inputs and labels, already checked on their own.
        x_name: What the user calls the test inputs.
        y_name: What the user calls the test labels.

    Raises:
        InputError: The inputs differ in shape or type, or a test label is not in the training part.

    Example:
        >>> part = np.zeros((2, 1)), np.array([0, 1])
        >>> check_test_part(part, part, x_name="x_test", y_name="y_test")
    """
    if train[0].shape[1:] != test[0].shape[1:]:
        raise InputError(
            f"{x_name} must have the features of the training part, {train[0].shape[1:]}; "
            f"found {test[0].shape[1:]}: give both parts the same features"
        )
    if (train[0].dtype == np.uint8) != (test[0].dtype == np.uint8):
        raise InputError(
            f"{x_name} must be uint8 pixels where the training part is, and only there; found "
            f"{test[0].dtype} beside {train[0].dtype}: save both as one type"
        )
    unseen = np.setdiff1d(test[1], train[1])
    if len(unseen):
        raise InputError(
            f"{y_name} must hold labels of the training part, 0..{train[1].max()}; found "
            f"{unseen[0]}: remove these examples or add training examples"
        )


def _whole_labels(y: Array, name: str) -> NDArray[np.int64]:
    rule = f"{name} must hold integer labels 0..C-1"
    fix = "encode the classes as 0..C-1"
    if y.dtype.kind not in "buif":
        raise InputError(f"{rule}; found {reprlib.repr(y[:1].tolist()[0])}: {fix}")
    broken = y[y != np.floor(y)] if y.dtype.kind == "f" else y[:0]  # NaN differs from itself
    if len(broken):
        raise InputError(f"{rule}; found {broken[0]}: {fix}")
    lowest, highest = y.min(), y.max()
    if lowest < 0 or highest > _LARGEST_LABEL:
        raise InputError(f"{rule}; found labels from {lowest:g} to {highest:g}: {fix}")
    return y.astype(np.int64)
