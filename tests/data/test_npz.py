import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from ratlp.data.npz import read_npz
from ratlp.errors import InputError

Y = np.arange(20) % 2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mine.npz"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("npz")


def refusal(path: Path) -> str | None:
    try:
        read_npz(path)
    except InputError as error:
        return str(error)
    return None


def test_uint8_are_pixels(path: Path) -> None:
    np.savez_compressed(path, x=np.arange(240, dtype=np.uint8).reshape(20, 3, 4), y=Y)
    source = read_npz(path)
    assert (source.name, source.features, source.classes) == ("mine", (3, 4), 2)
    assert (source.bounds, source.units) == ((0.0, 1.0), "pixel intensity, 0 to 1")
    assert source.split_rule == "stratified 80/20, drawn anew for each seed"
    assert source.draw(0).x_train.max() <= 239 / 255


def test_the_unit_interval_is_left_alone(path: Path) -> None:
    x = np.linspace(0, 1, 20, dtype=np.float32)[:, None]
    np.savez(path, x=x, y=Y)
    source = read_npz(path)
    assert (source.bounds, source.units) == ((0.0, 1.0), "the data's own units, 0 to 1")
    split = source.draw(0)
    both = torch.cat([split.x_train, split.x_test]).sort(dim=0).values
    assert torch.equal(both, torch.from_numpy(x))


@pytest.mark.parametrize("kind", [np.int32, np.uint64, np.float16, ">f8", np.longdouble])
def test_other_numbers_are_standardised(path: Path, kind: type) -> None:
    np.savez(path, x=np.arange(40).reshape(20, 2).astype(kind), y=Y)
    source = read_npz(path)
    assert (source.bounds, source.units) == (None, "standard deviations of the training part")
    train = source.draw(0).x_train
    assert train.mean(0).abs().max() < 1e-6
    assert (train.std(0, correction=0) - 1).abs().max() < 1e-6


def test_a_given_split_is_kept_and_scaled_by_its_training_part(path: Path) -> None:
    x_train, x_test = np.array([[1.0], [3.0]]), np.array([[5.0]])
    np.savez(path, x_train=x_train, y_train=[0, 1], x_test=x_test, y_test=[1], x=x_train, y=[0, 1])
    source = read_npz(path)
    assert source.split_rule == "the given train and test arrays"
    split = source.draw(0)
    assert split.x_train.tolist() == [[-1], [1]]
    assert split.x_test.tolist() == [[3]]
    assert (split.y_train.tolist(), split.y_test.tolist()) == ([0, 1], [1])
    assert source.draw(9) is split


def test_bounds_hold_for_the_test_part_of_a_given_split(path: Path) -> None:
    x_train, x_test = np.array([[0.0], [1.0]]), np.array([[1.5]])
    np.savez(path, x_train=x_train, y_train=[0, 1], x_test=x_test, y_test=[1])
    assert read_npz(path).bounds is None


def test_pickled_objects_are_refused(path: Path) -> None:
    np.savez(path, x=np.array([[1], ["a"]] * 10, dtype=object), y=Y)
    with pytest.raises(InputError, match=r"mine.npz: x must hold numbers; .*can run any code"):
        read_npz(path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, r"must hold the arrays x and y, or .*; found \[\]: rename"),
        ({"x": Y, "z": Y}, r"must hold the arrays x and y, or .*; found \['x', 'z'\]: rename"),
        ({"x": Y, "y": Y}, r"x must be \[n, \*features\]; found shape \(20,\)"),
        ({"x": Y[:, None], "y": Y + 1}, "y must hold the labels .* from 1 to 2 without 0"),
        ({"x": Y[:2, None], "y": Y[:2]}, "y must hold at least 2 examples of each class"),
    ],
)
def test_archives_that_break_a_rule(path: Path, arrays: dict, message: str) -> None:
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=f"mine.npz:? {message}"):
        read_npz(path)


def test_a_test_label_not_in_the_training_part(path: Path) -> None:
    x = Y[:, None]
    np.savez(path, x_train=x, y_train=Y, x_test=x, y_test=Y + 1)
    with pytest.raises(InputError, match=r"mine.npz: y_test must hold labels of the training part"):
        read_npz(path)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"PK\x03\x04", b"x,y\n1,2\n", b"\x80\x04."])
def test_what_is_no_archive_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"mine.npz must be a zip archive .* truncated bytes"):
        read_npz(path)


def test_a_member_that_is_no_array_is_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "text")
        archive.writestr("y", "text")
    with pytest.raises(InputError, match=r"mine.npz: x must be an array"):
        read_npz(path)


def test_a_header_that_lies_about_the_size_is_refused(path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d, 2), }" % 2**55
    header = header.ljust(117) + b"\n"
    member = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"12345678"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", member)
        archive.writestr("y.npy", member)
    with pytest.raises(InputError, match=r"mine.npz cannot be read as an .npz file"):
        read_npz(path)


@settings(max_examples=100)
@given(st.data())
def test_damage_gives_a_source_or_an_input_error(scratch: Path, data: st.DataObject) -> None:
    path = scratch / "damaged.npz"
    np.savez_compressed(path, x=np.arange(40.0).reshape(20, 2), y=Y)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2]))])
    message = refusal(path)
    assert message is None or ("damaged.npz" in message and "\n" not in message)
