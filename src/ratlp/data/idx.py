"""Folders of IDX files, the format of MNIST and Fashion-MNIST."""

import gzip
import math
import struct
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ratlp.data.given import GivenSource
from ratlp.data.reading import reading
from ratlp.data.scaling import PIXELS, Array
from ratlp.data.source import Source
from ratlp.data.validate import check_classes, check_test_part, checked_examples
from ratlp.errors import InputError

IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_UNSIGNED_BYTES = 0x0800  # the magic number is this type code plus the number of dimensions
_CHUNK = 2**20


def read_idx_folder(folder: Path) -> Source:
    """Read the four IDX files of a folder, each plain or as `.gz`.

    Inputs are `[rows, cols]` pixels divided by 255, in [0, 1]. The given split serves every seed.

    Args:
        folder: Holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same two for
            `t10k`.

    Returns:
        The source, named like the folder.

    Raises:
        InputError: A file is missing, unreadable or damaged, or the examples break a rule.

    Example:
        >>> import tempfile
        >>> images = struct.pack(">4I", 0x803, 2, 1, 2) + bytes([0, 51, 102, 255])
        >>> labels = struct.pack(">2I", 0x801, 2) + bytes([0, 1])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in IDX_FILES:
        ...         _ = Path(folder, name).write_bytes(images if "images" in name else labels)
        ...     read_idx_folder(Path(folder)).draw(seed=0).x_train[0]
        tensor([[0.0000, 0.2000]])
    """
    train_x, train_y, test_x, test_y = (_find(folder, name) for name in IDX_FILES)
    train = _examples(train_x, train_y)
    check_classes(train[1], str(train_y))
    test = _examples(test_x, test_y)
    check_test_part(train, test, x_name=str(test_x), y_name=str(test_y))
    return GivenSource(
        folder.resolve().name,
        train,
        test,
        scaling=PIXELS,
        split_rule="the given train and test files",
    )


def read_idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """Read one IDX file of unsigned bytes.

    Args:
        path: The file; unzipped on the way where its name ends in `.gz`.
        dimensions: How many dimensions the file must have: 3 for images, 1 for labels.

    Returns:
        The array, uint8.

    Raises:
        InputError: The magic number or the length is wrong, or the file cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "labels")
        ...     _ = path.write_bytes(struct.pack(">2I", 0x801, 3) + bytes([2, 0, 1]))
        ...     read_idx(path, dimensions=1)
        array([2, 0, 1], dtype=uint8)
    """
    with reading(path, "an IDX file"), _open(path) as stream:
        header = stream.read(4 + 4 * dimensions)
        if len(header) < 4 + 4 * dimensions:
            raise InputError(
                f"{path} must begin with an IDX header of {4 + 4 * dimensions} bytes; "
                f"found {len(header)} bytes: fetch the file again"
            )
        magic, *shape = struct.unpack(f">{1 + dimensions}I", header)
        if magic != _UNSIGNED_BYTES + dimensions:
            raise InputError(
                f"{path} must begin with the magic number {_UNSIGNED_BYTES + dimensions:#010x} "
                f"(unsigned bytes, {dimensions} dimensions); found {magic:#010x}: "
                "check which file it is"
            )
        expected = math.prod(shape)
        payload = _read_up_to(stream, expected + 1)
    if len(payload) != expected:
        sizes = " x ".join(map(str, shape))
        found = f"only {len(payload)}" if len(payload) < expected else "more"
        raise InputError(
            f"{path} must hold {expected} bytes after its header, for {sizes}; found {found}: fetch the file again"
        )
    return np.frombuffer(payload, np.uint8).reshape(shape)


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        with reading(path, "an IDX file"):
            if path.is_file():
                return path
    raise InputError(
        f"{folder} must hold the IDX files {', '.join(IDX_FILES)}, each plain or .gz; "
        f"found no {name}: add it or name another folder"
    )


def _open(path: Path) -> gzip.GzipFile | BufferedReader:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _read_up_to(stream: gzip.GzipFile | BufferedReader, size: int) -> bytearray:
    """Read in chunks, so that a header that lies about the size cannot claim memory."""
    payload = bytearray()
    while chunk := stream.read(min(size - len(payload), _CHUNK)):
        payload += chunk
    return payload


def _examples(images: Path, labels: Path) -> tuple[Array, NDArray[np.int64]]:
    return checked_examples(
        read_idx(images, dimensions=3),
        read_idx(labels, dimensions=1),
        x_name=str(images),
        y_name=str(labels),
    )
