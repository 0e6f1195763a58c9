import gzip
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ratlp.data import load_source
from ratlp.data.idx import IDX_FILES, read_idx, read_idx_folder
from ratlp.errors import InputError

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
IMAGES, LABELS, TEST_IMAGES, TEST_LABELS = IDX_FILES


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six training and three test images of 2 x 3 pixels, as plain files."""
    path = tmp_path / "tiny"
    path.mkdir()
    for images, labels, n in ((IMAGES, LABELS, 6), (TEST_IMAGES, TEST_LABELS, 3)):
        pixels = np.arange(n * 6, dtype=np.uint8).reshape(n, 2, 3) * 7
        (path / images).write_bytes(idx_bytes(pixels))
        (path / labels).write_bytes(idx_bytes(np.arange(n, dtype=np.uint8) % 3))
    return path


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("idx")


def zip_files(folder: Path) -> None:
    for name in IDX_FILES:
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
        (folder / name).unlink()


@pytest.mark.parametrize("zipped", [False, True])
def test_a_folder_is_read_plain_or_zipped(folder: Path, zipped: bool) -> None:
    if zipped:
        zip_files(folder)
    source = read_idx_folder(folder)
    assert (source.name, source.features, source.classes) == ("tiny", (2, 3), 3)
    assert (source.bounds, source.units) == ((0.0, 1.0), "pixel intensity, 0 to 1")
    assert source.split_rule == "the given train and test files"
    split = source.draw(0)
    expected = torch.arange(36).reshape(6, 2, 3) * 7 / 255
    assert torch.equal(split.x_train, expected)
    assert torch.equal(split.x_test, expected[:3])
    assert split.y_train.tolist() == [0, 1, 2, 0, 1, 2]
    assert split.y_test.tolist() == [0, 1, 2]
    assert source.draw(1) is split


@settings(max_examples=40)
@given(st.data(), st.booleans())
def test_round_trip(scratch: Path, data: st.DataObject, zipped: bool) -> None:
    dimensions = data.draw(st.sampled_from([1, 3]))
    shapes = array_shapes(min_dims=dimensions, max_dims=dimensions, min_side=0, max_side=5)
    array = data.draw(arrays(np.uint8, shapes))
    path = scratch / ("file.gz" if zipped else "file")
    path.write_bytes(gzip.compress(idx_bytes(array)) if zipped else idx_bytes(array))
    np.testing.assert_array_equal(read_idx(path, dimensions=dimensions), array)


@settings(max_examples=60)
@given(st.data(), st.booleans())
def test_a_truncated_file_is_refused(scratch: Path, data: st.DataObject, zipped: bool) -> None:
    content = idx_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    content = gzip.compress(content) if zipped else content
    path = scratch / ("short.gz" if zipped else "short")
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(InputError, match=rf"^{re.escape(str(path))} "):
        read_idx(path, dimensions=3)


@given(st.binary(max_size=60), st.sampled_from(["noise", "noise.gz"]))
def test_noise_is_refused(scratch: Path, content: bytes, name: str) -> None:
    (scratch / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        read_idx(scratch / name, dimensions=3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must begin with an IDX header of 8 bytes; found 0 bytes: fetch"),
        (struct.pack(">2I", 0x803, 1), "the magic number 0x00000801 .*; found 0x00000803: check"),
        (struct.pack(">2I", 0x801, 5) + b"123", "must hold 5 bytes .* for 5; found only 3: fetch"),
        (struct.pack(">2I", 0x801, 2) + b"123", "must hold 2 bytes .* for 2; found more: fetch"),
    ],
)
def test_each_damage_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "labels").write_bytes(content)
    with pytest.raises(InputError, match=f"labels .*{message}"):
        read_idx(tmp_path / "labels", dimensions=1)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_header_that_lies_about_the_size_claims_no_memory(tmp_path: Path, zipped: bool) -> None:
    content = struct.pack(">4I", 0x803, *[2**32 - 1] * 3) + b"abc"
    path = tmp_path / ("lie.gz" if zipped else "lie")
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(InputError, match="4294967295 x 4294967295 x 4294967295; found only 3"):
        read_idx(path, dimensions=3)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda good: good[:-4], "ended before the end-of-stream"),
        (lambda good: good[:-8] + bytes(4) + good[-4:], "CRC check failed"),
        (lambda good: good[:12] + b"\xff" * 8 + good[20:], "Error -3|CRC|invalid"),
        (lambda good: b"plain", "Not a gzipped file"),
    ],
)
def test_gzip_damage_is_refused(tmp_path: Path, damage, message: str) -> None:
    path = tmp_path / "labels.gz"
    path.write_bytes(damage(gzip.compress(idx_bytes(np.arange(9, dtype=np.uint8)))))
    with pytest.raises(InputError, match=f"labels.gz cannot be read as an IDX file .*{message}"):
        read_idx(path, dimensions=1)


@pytest.mark.parametrize("name", IDX_FILES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"tiny must hold the IDX files .*; found no {name}: add"):
        read_idx_folder(folder)


def test_images_and_labels_must_be_of_one_length(folder: Path) -> None:
    (folder / TEST_LABELS).write_bytes(idx_bytes(np.zeros(2, np.uint8)))
    message = f"{TEST_IMAGES} and .*{TEST_LABELS} must be of one length; found 3 and 2"
    with pytest.raises(InputError, match=message):
        read_idx_folder(folder)


def test_a_label_only_in_the_test_file_is_refused(folder: Path) -> None:
    (folder / TEST_LABELS).write_bytes(idx_bytes(np.array([0, 1, 9], np.uint8)))
    with pytest.raises(InputError, match=f"{TEST_LABELS} must hold labels of the training part"):
        read_idx_folder(folder)


def test_files_without_examples_are_refused(folder: Path) -> None:
    (folder / IMAGES).write_bytes(idx_bytes(np.zeros((0, 2, 3), np.uint8)))
    (folder / LABELS).write_bytes(idx_bytes(np.zeros(0, np.uint8)))
    with pytest.raises(InputError, match=f"{IMAGES} must hold examples; found shape"):
        read_idx_folder(folder)


@pytest.mark.skipif(not FASHION_MNIST.is_dir(), reason="Debian's dataset-fashion-mnist is absent")
def test_fashion_mnist() -> None:
    source = load_source(FASHION_MNIST)
    split = source.draw(0)
    assert (source.name, source.features, source.classes) == ("fashion-mnist", (28, 28), 10)
    assert split.x_train.shape == (60_000, 28, 28)
    assert split.x_test.shape == (10_000, 28, 28)
    assert split.y_train.bincount().tolist() == [6_000] * 10
    assert (split.x_train.min(), split.x_train.max()) == (0, 1)
