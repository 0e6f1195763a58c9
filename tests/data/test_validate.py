import re

import numpy as np
import pytest

from ratlp.data.validate import (
    check_classes,
    check_finite,
    check_stratifiable,
    check_test_part,
    checked_examples,
)
from ratlp.errors import InputError

X = np.zeros((4, 2))


def refuses(message: str) -> pytest.RaisesExc[InputError]:
    return pytest.raises(InputError, match=f"^{re.escape(message)}")


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros(4), [0, 1, 0, 1], "a.npz: x must be [n, *features]; found shape (4,): reshape"),
        (np.array(1.0), [0], "a.npz: x must be [n, *features]; found shape ()"),
        (X, np.eye(4), "a.npz: y must be one label per example, [n]; found shape (4, 4)"),
        (X, [0, 1], "a.npz: x and a.npz: y must be of one length; found 4 and 2"),
        (np.zeros((0, 2)), [], "a.npz: x must hold examples; found shape (0, 2)"),
        (np.zeros((4, 0)), [0, 1, 0, 1], "a.npz: x must hold examples; found shape (4, 0)"),
        (X + 1j, [0, 1, 0, 1], "a.npz: x must hold real numbers; found type complex128"),
        (X.astype(str), [0, 1, 0, 1], "a.npz: x must hold real numbers; found type <U32"),
        (X.astype("M8[s]"), [0, 1, 0, 1], "a.npz: x must hold real numbers; found type datetime64"),
        (X, list("abab"), "a.npz: y must hold integer labels 0..C-1; found 'a': encode"),
        (X, [0, 0.5, 1, 1], "a.npz: y must hold integer labels 0..C-1; found 0.5: encode"),
        (X, [0, np.nan, 1, 1], "a.npz: y must hold integer labels 0..C-1; found nan: encode"),
        (X, [0, -1, 1, 1], "a.npz: y must hold integer labels 0..C-1; found labels from -1 to 1"),
        (
            X,
            [0, np.inf, 1, 1],
            "a.npz: y must hold integer labels 0..C-1; found labels from 0 to inf",
        ),
        (
            X,
            [0, 1e30, 1, 1],
            "a.npz: y must hold integer labels 0..C-1; found labels from 0 to 1e+30",
        ),
        (X, np.array([0, 1, 1, 2**64 - 1], np.uint64), "a.npz: y must hold integer labels 0..C-1"),
    ],
)
def test_broken_examples_are_refused(x: np.ndarray, y: list[float], message: str) -> None:
    with refuses(message):
        checked_examples(x, np.asarray(y), x_name="a.npz: x", y_name="a.npz: y")


@pytest.mark.parametrize(
    "y",
    [
        [0.0, 1.0, 3.0],
        [False, True, True],
        np.array([0, 9, 1], np.uint8),
        np.array([1, 2, 3], ">i2"),
    ],
)
def test_whole_labels_of_any_type_become_int64(y: list[float]) -> None:
    _, labels = checked_examples(np.zeros((3, 1)), np.asarray(y), x_name="x", y_name="y")
    assert labels.dtype == np.int64
    assert labels.tolist() == list(np.asarray(y))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            [[0, 1], [np.nan, np.nan], [-np.inf, 0]],
            "x must be finite; found 2 NaN and 1 infinite values, the first at index [1, 0]: remove or replace them",
        ),
        (
            [0, 1, np.inf],
            "x must be finite; found 0 NaN and 1 infinite values, the first at index 2",
        ),
        ([0, -1e39], "x must fit in float32, up to 3.4e38; found 1e+39: rescale"),
    ],
)
def test_values_that_are_not_finite_are_counted_and_placed(x: list[float], message: str) -> None:
    with refuses(message):
        check_finite(np.array(x), "x")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            [1, 2, 3],
            "y must hold the labels 0..C-1, every class present; found labels from 1 to 3 without 0: renumber them",
        ),
        (
            [0, 1, 3],
            "y must hold the labels 0..C-1, every class present; found labels from 0 to 3 without 2: renumber them",
        ),
        ([0, 0, 0], "y must hold at least 2 classes; found only label 0"),
    ],
)
def test_classes_must_be_numbered_without_a_gap(y: list[int], message: str) -> None:
    with refuses(message):
        check_classes(np.array(y), "y")


def test_a_class_with_one_example_cannot_be_stratified() -> None:
    with refuses("y must hold at least 2 examples of each class for a stratified split; found 1 of class 1"):
        check_stratifiable(np.array([0] * 9 + [1]), "y")


def test_the_test_part_needs_room_for_every_class() -> None:
    with refuses("y must be long enough that 20 % of it hold 3 classes; found 10 examples, 2 of them"):
        check_stratifiable(np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0]), "y")


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (
            np.zeros((2, 3)),
            [0, 1],
            "x_test must have the features of the training part, (2,); found (3,)",
        ),
        (
            np.zeros((2, 2), np.uint8),
            [0, 1],
            "x_test must be uint8 pixels where the training part is",
        ),
        (np.zeros((2, 2)), [0, 7], "y_test must hold labels of the training part, 0..1; found 7"),
    ],
)
def test_a_test_part_of_another_task_is_refused(x: np.ndarray, y: list[int], message: str) -> None:
    with refuses(message):
        check_test_part((X, np.array([0, 1, 0, 1])), (x, np.array(y)), x_name="x_test", y_name="y_test")


def test_a_test_part_may_lack_a_class() -> None:
    train = X, np.array([0, 1, 0, 1])
    check_test_part(train, (X[:1], np.array([1])), x_name="x_test", y_name="y_test")
