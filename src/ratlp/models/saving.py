"""Nets to files and back: weights as safetensors, and how the net is built beside them. Nothing is pickled."""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_bytes
from torch import nn

from ratlp import __version__
from ratlp.errors import InputError
from ratlp.models.registry import Architecture, architecture_of, build, encode, plain
from ratlp.models.state import stored_tensors
from ratlp.models.weights import WeightsFile, fill, match_tensors, open_weights

_SCHEMA = "ratlp.model/1"
_KEY = "ratlp"  # a single one, as safetensors writes several in any order
_FIELDS = {"schema", "ratlp_version", "architecture", "arguments", "notes"}
_LONGEST_HEADER = 100_000  # characters of JSON
_LONGEST_ARGUMENTS = 10_000  # likewise; a file's few bytes must not ask for a net of a million layers


@dataclass(frozen=True)
class Description:
    """What a file says of its net, as text; no weights are read for it.

    Attributes:
        architecture: The builder's name, and its arguments.
        ratlp_version: The version that wrote the file.
        notes: What `save` was given.

    Example:
        >>> Description(Architecture("mlp", {"features": 2, "classes": 2}), "0.1.0", {"eps": "0.1"}).notes["eps"]
        '0.1'
    """

    architecture: Architecture
    ratlp_version: str
    notes: Mapping[str, str]


def save(model: nn.Module, path: str | os.PathLike[str], *, notes: Mapping[str, str] | None = None) -> None:
    """Write a net that a registered builder made to a `.safetensors` file, with how it is built.

    The file holds the state dict (buffers such as BatchNorm's statistics included, tied tensors once), the
    builder's name and arguments, and the version of ratlp. It is written under a temporary name and renamed,
    so that the path never holds half a file. The model is left as it is, in its mode.

    Args:
        model: From `mlp`, `small_cnn`, `wide_cnn` or a builder that `ratlp.models.register` knows, not rebuilt
            since. On any device and of any floating-point type.
        path: Ends in `.safetensors`; an existing file is replaced. The folder must exist.
        notes: Texts to keep with the net, such as the data's name and eps; see `describe`.

    Raises:
        InputError: The model is of no known architecture, no longer what its builder makes, or holds what a
            file cannot; the path does not end in `.safetensors` or cannot be written; notes are not texts.

    Example:
        >>> import tempfile, ratlp
        >>> from ratlp.models import small_cnn
        >>> path = Path(tempfile.mkdtemp()) / "net.safetensors"
        >>> ratlp.save(small_cnn((1, 8, 8)), path, notes={"data": "digits"})
        >>> ratlp.load(path).classifier
        Linear(in_features=100, out_features=10, bias=True)
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise InputError(f"the path must end in .safetensors, whose format is written; found {path}: rename it")
    architecture = _known_architecture(model)
    arguments = _plain_arguments(architecture)
    header = _header_text(architecture.name, arguments, dict(notes or {}))
    tensors = stored_tensors(model)
    blueprint = _blueprint(architecture.name, arguments)
    _check_unchanged(model, blueprint, architecture.name)
    match_tensors(blueprint, tensors, source="the model", what=f"a {architecture.name} as its builder makes it")
    _write(path, to_bytes(tensors, {_KEY: header}))


def load(path: str | os.PathLike[str]) -> nn.Module:
    """The net that `save` wrote: on the CPU, in eval mode, with the floating-point types it was saved with.

    A file is not trusted. The net is built without memory first and compared with the file's header, so that a
    small file cannot claim much memory; no code comes from a file.

    Args:
        path: A file by `save`. Its architecture must be ratlp's own, or registered by a module that has been
            imported.

    Raises:
        InputError: There is no such file; it is a pickle, cut off, damaged, or not by `save`; its architecture
            is not known, or its arguments or tensors do not fit.

    Example:
        >>> load("nowhere.safetensors")
        Traceback (most recent call last):
        ratlp.errors.InputError: weights must be a .safetensors file; found no file nowhere.safetensors: check the path
    """
    with open_weights(Path(path)) as file:
        architecture = _described(file).architecture
        name, what = architecture.name, f"the architecture {architecture.name}, as the file's arguments build it"
        found = match_tensors(_blueprint(name, architecture.arguments), file.headers, source=str(path), what=what)
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):  # the weights drawn here do not count
            model = build(name, architecture.arguments)
        for key, tensor in model.state_dict(keep_vars=True).items():
            tensor.data = tensor.data.to(file.headers[found[key]].dtype)
        fill(model, file, what=what)
    return model.eval()


def describe(path: str | os.PathLike[str]) -> Description:
    """What a file by `save` says of its net; the weights are not read.

    Args:
        path: A file by `save`.

    Raises:
        InputError: There is no such file; it is a pickle, cut off, damaged, or not by `save`.

    Example:
        >>> import tempfile, ratlp
        >>> from ratlp.models import mlp
        >>> path = Path(tempfile.mkdtemp()) / "net.safetensors"
        >>> ratlp.save(mlp(2, classes=2), path, notes={"data": "moons"})
        >>> describe(path).architecture.arguments["hidden"], describe(path).notes
        ((32,), {'data': 'moons'})
    """
    with open_weights(Path(path)) as file:
        return _described(file)


def _known_architecture(model: nn.Module) -> Architecture:
    if not isinstance(model, nn.Module):
        raise InputError(f"model must be a torch.nn.Module; found {type(model).__name__}: give the net itself")
    architecture = architecture_of(model)
    if architecture is None:
        raise InputError(
            f"the model must come from a builder that ratlp knows, for a file to say how it is built; found "
            f"{type(model).__name__}, which does not: use the builders of ratlp.models, register your own with "
            "ratlp.models.register, or save the state dict with safetensors and name a factory when loading "
            "(of a wrapped model, save the module inside)"
        )
    return architecture


def _plain_arguments(architecture: Architecture) -> dict[str, Any]:
    arguments = encode(architecture)
    try:
        text = json.dumps(arguments, allow_nan=False)
        kept = len(text) <= _LONGEST_ARGUMENTS and plain(json.loads(text)) == plain(arguments)
    except (TypeError, ValueError, RecursionError):
        kept = False
    if not kept:
        raise InputError(
            f"{architecture.name}'s arguments must be plain values that JSON keeps, at most {_LONGEST_ARGUMENTS} "
            f"characters together; found {str(arguments)[:200]}: build the net from numbers, texts and sequences"
        )
    return arguments


def _header_text(architecture: str, arguments: Mapping[str, Any], notes: Mapping[str, str]) -> str:
    if not _are_texts(notes):
        raise InputError(f"notes must be texts by name; found {str(notes)[:200]}: use str() on what is none")
    text = json.dumps(
        {
            "schema": _SCHEMA,
            "ratlp_version": __version__,
            "architecture": architecture,
            "arguments": arguments,
            "notes": notes,
        }
    )
    if len(text) > _LONGEST_HEADER:
        raise InputError(
            f"notes must leave the header at most {_LONGEST_HEADER} characters; found {len(text)}: keep them elsewhere"
        )
    return text


def _blueprint(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The net without memory for its tensors."""
    with torch.device("meta"):
        return build(name, arguments)


def _check_unchanged(model: nn.Module, blueprint: nn.Module, name: str) -> None:
    """Find what tensors do not show: an activation that was replaced, a stride that was set."""
    now, built = ({key: _words(m) for key, m in net.named_modules()} for net in (model, blueprint))
    for key in {**built, **now}:
        if now.get(key) != built.get(key):
            raise InputError(
                f"the model must be as its builder {name} makes it, for a file to say how; found "
                f"{now.get(key, 'nothing')} in place of {built.get(key, 'nothing')} at {key!r}: register a builder "
                "that makes what you have, or save the state dict with safetensors and name a factory when loading"
            )


def _words(module: nn.Module) -> str:
    return f"{type(module).__qualname__}({module.extra_repr()})"


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())  # the name must not outlive a power cut that its content does not
        temporary.replace(path)
    except OSError as error:
        raise InputError(
            f"the model must be written to {path}; found {error.strerror or error}: make room or choose another path"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _described(file: WeightsFile) -> Description:
    text = file.metadata.get(_KEY)
    if text is None:
        raise InputError(
            f"a model must be a file by ratlp.save, whose header says how it is built; found {file.path} without "
            "that: name a factory that builds the net, package.module:factory, and give the file as its weights"
        )
    fields = _fields(file.path, text)
    arguments, notes = fields["arguments"], fields["notes"]
    texts = isinstance(fields["architecture"], str) and isinstance(fields["ratlp_version"], str)
    if not (texts and isinstance(arguments, dict) and isinstance(notes, dict) and _are_texts(notes)):
        raise InputError(f"{file.path}'s header must hold texts, and arguments by name; found others: save it again")
    if len(json.dumps(arguments)) > _LONGEST_ARGUMENTS:
        raise InputError(
            f"{file.path}'s arguments must have at most {_LONGEST_ARGUMENTS} characters; found more: not opened"
        )
    return Description(Architecture(fields["architecture"], arguments), fields["ratlp_version"], notes)


def _fields(path: Path, text: str) -> dict[str, Any]:
    """The header's JSON, once it is known to be of this schema."""
    try:
        fields = plain(json.loads(text)) if len(text) <= _LONGEST_HEADER else None
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise InputError(
            f"{path}'s header must be a JSON object of at most {_LONGEST_HEADER} characters and not deep; "
            f"found {text[:80]!r}: save it again"
        )
    if fields.get("schema") != _SCHEMA:
        found = str(fields.get("schema"))[:80]
        raise InputError(f"{path} must have the schema {_SCHEMA}; found {found!r}: use the version that wrote it")
    if fields.keys() != _FIELDS:
        lacking, unknown = sorted(_FIELDS - fields.keys()), str(sorted(fields.keys() - _FIELDS))[:200]
        raise InputError(
            f"{path}'s header must have just its fields; found {lacking} missing, {unknown} unknown: save it again"
        )
    return fields


def _are_texts(notes: Mapping[Any, Any]) -> bool:
    return all(isinstance(text, str) for pair in notes.items() for text in pair)
