"""Which call of which module is meant by a layer's name."""

from dataclasses import dataclass
from difflib import get_close_matches

from torch import nn

from ratlp.errors import LayerError

INPUT = "input"
"""The layer's name for the model's own input; the output of a submodule that is called so is "input#1"."""


def at_layer(name: str) -> str:
    """What a name gets at a layer, to tell it from the same at the input, which gets nothing.

    Example:
        >>> at_layer("encoder"), at_layer("input")
        (' at encoder', '')
    """
    return "" if name == INPUT else f" at {name}"


@dataclass(frozen=True)
class Layer:
    """One call of a submodule.

    Attributes:
        name: As given, such as "encoder.layer.3" or "act#2".
        module: The submodule; None for the model's input.
        call: Which call of it in a forward, 1 for the first; None where it must be the only one.
    """

    name: str
    module: nn.Module | None
    call: int | None

    def is_call(self, module: nn.Module, number: int) -> bool:
        """Whether this layer is meant by that call of that module."""
        return self.module is module and self.call in (None, number)

    @classmethod
    def find(cls, model: nn.Module, name: str) -> "Layer":
        """The layer of that name in the model.

        Raises:
            LayerError: There is no such submodule; the message lists the names that come near.

        Example:
            >>> model = nn.Sequential(nn.Linear(2, 4), nn.ReLU())
            >>> Layer.find(model, "1#2").call
            2
        """
        if name == INPUT:
            return cls(INPUT, None, None)
        base, mark, number = str(name).partition("#")
        call = int(number) if number.isdecimal() and int(number) > 0 else None
        module = _submodule(model, base) if call is not None or not mark else None
        if module is not None:
            return cls(str(name), module, call)
        modules = _submodules(model)
        near = get_close_matches(base, modules, n=5, cutoff=0.4) or list(modules)[:10]
        names = ", ".join(map(repr, near)) or "none: the model has no submodules"
        raise LayerError(
            f"layer must name a submodule of the model ('name', or 'name#2' for its second call) or be "
            f"{INPUT!r}; found {name!r}. Names that fit: {names}"
        )


def embeddings(model: nn.Module) -> list[str]:
    """The names of the model's embedding layers."""
    return [name for name, module in _submodules(model).items() if isinstance(module, nn.Embedding)]


def _submodule(model: nn.Module, name: str) -> nn.Module | None:
    try:
        return model.get_submodule(name) if name else None
    except AttributeError:
        return None


def _submodules(model: nn.Module) -> dict[str, nn.Module]:
    """By name, as the model's author knows them: without the wrappers of `torch.compile`."""
    named = dict(model.named_modules(remove_duplicate=False))
    return {
        ".".join(part for part in name.split(".") if part != "_orig_mod"): module
        for name, module in named.items()
        if name.replace("_orig_mod", "").strip(".")
    }
