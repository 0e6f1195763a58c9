"""What a user types as MODEL: a file by `ratlp.save`, or a factory in a module of the user's own."""

import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from torch import nn

from ratlp.errors import InputError
from ratlp.models.saving import describe, load
from ratlp.models.state import check_state
from ratlp.models.weights import fill, open_weights

_FACTORY = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*(\.[^\W\d]\w*)*)")


@dataclass(frozen=True)
class LoadedModel:
    """A model, and where it came from.

    Attributes:
        model: In eval mode.
        origin: In words, for reports: the builder or the factory, and the weights' file or that there is none.

    Example:
        >>> LoadedModel(nn.Linear(2, 2), "nets:make, with the weights of net.safetensors").origin
        'nets:make, with the weights of net.safetensors'
    """

    model: nn.Module
    origin: str


def load_model(spec: str | os.PathLike[str], *, weights: str | os.PathLike[str] | None = None) -> LoadedModel:
    """Load the model that a user names.

    Naming a factory runs its module's code, as `python -m` would; a file runs none.

    Args:
        spec: A `.safetensors` file by `ratlp.save`, or "package.module:factory". The module is imported with the
            current folder in front of the path; the factory, a function or a class, is called without arguments
            and returns the model.
        weights: A `.safetensors` file for the factory's model, which must hold just its state dict, buffers
            included. Without it the model is what the factory made, and the origin says so.

    Returns:
        The model in eval mode, from a file on the CPU, from a factory where the factory put it.

    Raises:
        InputError: Nothing is known by that name; the file is refused (see `ratlp.load`); the module or the
            factory cannot be found, raises or returns no module; the weights do not fit.

    Example:
        >>> load_model("torch.nn:Identity").origin
        'torch.nn:Identity as the factory made it: no weights were loaded'
    """
    found = _FACTORY.fullmatch(str(spec))
    if found is None:
        return _from_file(Path(spec), weights)
    with _current_folder_importable():
        model = _made(str(spec), _factory(found["module"], found["name"]))
    check_state(model, what=f"the model of {spec}")
    if weights is None:
        return LoadedModel(model.eval(), f"{spec} as the factory made it: no weights were loaded")
    with open_weights(Path(weights)) as file:
        fill(model, file, what=f"the model of {spec}")
    return LoadedModel(model.eval(), f"{spec}, with the weights of {Path(weights)}")


def _from_file(path: Path, weights: str | os.PathLike[str] | None) -> LoadedModel:
    if path.suffix != ".safetensors" and not path.exists():
        raise InputError(
            f"a model must be a .safetensors file by ratlp.save or package.module:factory; found {str(path)!r}, "
            "which is neither: check the spelling"
        )
    if weights is not None:
        raise InputError(
            f"weights must go with a factory, package.module:factory; found the file {path} as the model, which has "
            "its own: leave them out"
        )
    model = load(path)
    return LoadedModel(model, f"{describe(path).architecture.name}, with the weights of {path}")


def _factory(module: str, name: str) -> Callable[[], object]:
    try:
        importlib.invalidate_caches()
        home = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise InputError(_failed(f"importing {module}", error)) from error  # it lacks something itself
        raise InputError(
            f"the factory's module must be one that can be imported from here; found no {error.name!r}: run in the "
            "folder that holds it, or install it"
        ) from error
    except (Exception, SystemExit) as error:
        raise InputError(_failed(f"importing {module}", error)) from error
    try:
        factory = reduce(getattr, name.split("."), home)
    except AttributeError as error:
        raise InputError(f"the factory must be in its module; found no {name!r} in {module}: check the name") from error
    if isinstance(factory, nn.Module) or not callable(factory):
        raise InputError(
            f"the factory must be a function or class that returns the model; found {module}:{name}, which is a "
            f"{type(factory).__name__}: write a function that returns it"
        )
    made: Callable[[], object] = factory
    return made


def _made(spec: str, factory: Callable[[], object]) -> nn.Module:
    try:
        model = factory()
    except (Exception, SystemExit) as error:
        raise InputError(_failed(f"calling {spec} without arguments", error)) from error
    if not isinstance(model, nn.Module):
        raise InputError(
            f"the factory must return a torch.nn.Module; found that {spec} returns {type(model).__name__}: correct it"
        )
    return model


def _failed(what: str, error: BaseException) -> str:
    text = " ".join(str(error).split())[:200]
    return f"{what} must work; found {type(error).__name__}{f' ({text})' if text else ''}: correct that code"


@contextmanager
def _current_folder_importable() -> Iterator[None]:
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with suppress(ValueError):  # the module may have changed the path itself
            sys.path.remove(folder)
