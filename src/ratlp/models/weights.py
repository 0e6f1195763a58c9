"""Safetensors files, read without trust: what is in them is known and compared before anything is allocated."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ratlp.errors import InputError
from ratlp.models.state import DTYPES, FLOATING, tied_names

_PICKLES = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin"}
_MOST_NAMES = 5  # in a message


class _Like(Protocol):
    """What a file says of a tensor, or the tensor itself."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> torch.dtype | str: ...


@dataclass(frozen=True)
class TensorHeader:
    """What a file says of a tensor before it is read.

    Attributes:
        shape: Its shape.
        dtype: Its type; the header's own name for it where it is none of `DTYPES`.

    Example:
        >>> TensorHeader((10, 100), torch.float32).shape
        (10, 100)
    """

    shape: tuple[int, ...]
    dtype: torch.dtype | str


class WeightsFile:
    """An open safetensors file.

    Attributes:
        path: Where it is.
        metadata: The texts in its header.
        headers: Its tensors' shapes and types, by name.
    """

    def __init__(self, path: Path, handle: Any) -> None:
        self.path = path
        self.metadata: dict[str, str] = handle.metadata() or {}
        self.headers: dict[str, TensorHeader] = {}
        self._handle = handle
        for name in handle.keys():  # noqa: SIM118 (no mapping)
            header = handle.get_slice(name)
            code = header.get_dtype()
            self.headers[name] = TensorHeader(tuple(header.get_shape()), DTYPES.get(code, code))

    def tensor(self, name: str) -> Tensor:
        """Read one tensor, on the CPU."""
        with torch.device("cpu"):  # whatever the caller's default device is
            found: Tensor = self._handle.get_tensor(name)
        return found


@contextmanager
def open_weights(path: Path) -> Iterator[WeightsFile]:
    """Open a safetensors file; nothing in it is run or unpickled.

    Raises:
        InputError: There is no such file, it is a pickle, or it is cut off or damaged.

    Example:
        >>> with open_weights(Path("nowhere.safetensors")):
        ...     pass
        Traceback (most recent call last):
        ratlp.errors.InputError: weights must be a .safetensors file; found no file nowhere.safetensors: check the path
    """
    try:
        if not path.is_file():
            found = "no file, but something else, at" if path.exists() else "no file"
            raise InputError(f"weights must be a .safetensors file; found {found} {path}: check the path")
        with safe_open(path, framework="pt", device="cpu") as handle:
            yield WeightsFile(path, handle)
    except OSError as error:
        raise InputError(f"weights must be readable; found {path} ({error.strerror or error}): check it") from error
    except SafetensorError as error:
        if _is_pickle(path):
            raise InputError(
                f"weights must be a .safetensors file; found {path}, a pickle, which can run any code when it is "
                "opened: open it where you trust it, and save its state dict with safetensors.torch.save_file"
            ) from error
        raise InputError(
            f"weights must be a whole .safetensors file; found {path} cut off, damaged or of another kind "
            f"({_reason(error)}): copy or save it again"
        ) from error


def match_tensors(model: nn.Module, headers: Mapping[str, _Like], *, source: str, what: str) -> dict[str, str]:
    """Find each of a model's tensors in a file, by its name or a name of a tensor that is tied to it.

    Only names, shapes and types are compared: floating-point types may differ from each other, others may not.

    Args:
        model: May be on the meta device.
        headers: The file's tensors.
        source: The file, for messages.
        what: The model, for messages.

    Returns:
        By the name of a tensor in the model's state dict: its name in the file.

    Raises:
        InputError: Tensors are missing, left over, or of another shape or type; their names are listed.

    Example:
        >>> match_tensors(nn.Linear(2, 1), dict(nn.Linear(2, 1).named_parameters()), source="a file", what="a layer")
        {'weight': 'weight', 'bias': 'bias'}
    """
    expected = model.state_dict(keep_vars=True)
    found: dict[str, str] = {}
    for names in tied_names(expected):
        held = [name for name in names if name in headers]
        if held:
            found |= {name: name if name in held else held[0] for name in names}
    other = [
        f"{name} ({_words(headers[held])} in place of {_words(expected[name])})"
        for name, held in found.items()
        if not _fits(headers[held], expected[name])
    ]
    problems = {
        "missing": [name for name in expected if name not in found],
        "unexpected": [name for name in headers if name not in expected],
        "of another shape or type": other,
    }
    listed = [f"{problem}: {_shortened(names)}" for problem, names in problems.items() if names]
    if listed:
        raise InputError(
            f"{source} must hold the tensors of {what}; found {'; '.join(listed)}: use what was saved from that net"
        )
    return found


def fill(model: nn.Module, file: WeightsFile, *, what: str) -> None:
    """Copy a file's tensors into a model: all of them, buffers included, or none.

    The model keeps its own floating-point types.

    Args:
        model: Changed in place.
        file: Holds just the model's tensors.
        what: The model, for messages.

    Raises:
        InputError: The tensors do not fit; see `match_tensors`.

    Example:
        >>> import tempfile
        >>> from safetensors.torch import save_file
        >>> path = Path(tempfile.mkdtemp()) / "layer.safetensors"
        >>> save_file({"weight": torch.ones(1, 2), "bias": torch.zeros(1)}, path)
        >>> layer = nn.Linear(2, 1)
        >>> with open_weights(path) as file:
        ...     fill(layer, file, what="a layer")
        >>> layer.weight.tolist()
        [[1.0, 1.0]]
    """
    found = match_tensors(model, file.headers, source=str(file.path), what=what)
    model.load_state_dict({name: file.tensor(held) for name, held in found.items()}, strict=True)


def _fits(header: _Like, expected: Tensor) -> bool:
    if tuple(header.shape) != tuple(expected.shape):
        return False
    return header.dtype == expected.dtype or {header.dtype, expected.dtype} <= set(FLOATING.values())


def _words(tensor: _Like) -> str:
    return f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def _shortened(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _is_pickle(path: Path) -> bool:
    """Whether a file that is no safetensors file is what torch.save or pickle writes, by its name or first bytes."""
    with path.open("rb") as stream:
        head = stream.read(256)
    in_zip = head.startswith(b"PK\x03\x04") and b"data.pkl" in head
    plain = len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5  # PROTO and the protocol's number
    return in_zip or plain or path.suffix.lower() in _PICKLES


def _reason(error: Exception) -> str:
    return " ".join(str(error).removeprefix("Error while deserializing header: ").split())[:200]
