"""Options that several commands have: how they are read, and how a record spells them out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, get_args

import typer

from ratlp.data import Source
from ratlp.errors import InputError
from ratlp.perturbations import Norm

DEFAULT_EPS: Final = ("0.1",)
"""The radii where none are given."""

ModelArgument = Annotated[str, typer.Argument(help="A .safetensors file by ratlp.save, or package.module:factory.")]
WeightsOption = Annotated[Path | None, typer.Option(help="A .safetensors file for a factory's model.")]
DataOption = Annotated[
    str, typer.Option(help="moons, digits, a folder of IDX files, or a .npz, .csv or .parquet file.")
]
LabelOption = Annotated[str, typer.Option(help="Label column of a .csv or .parquet file.")]
NormOption = Annotated[str, typer.Option(help=f"{' or '.join(get_args(Norm))}.")]
BoundsOption = Annotated[
    str | None, typer.Option(help="Of the inputs, such as 0,1, or none (default: the data's own).")
]


def spelled_out(options: Mapping[str, Any]) -> list[str]:
    """The options of a command line, less those that were not given.

    Example:
        >>> spelled_out({"norm": "l2", "bounds": None, "batch-size": 8})
        ['--norm=l2', '--batch-size=8']
    """
    return [f"--{name}={value}" for name, value in options.items() if value is not None]


def names(texts: Sequence[str]) -> tuple[str, ...]:
    """Names with commas between them.

    Example:
        >>> names(["fgsm, pgd", "noise"])
        ('fgsm', 'pgd', 'noise')
    """
    return tuple(name.strip() for text in texts for name in text.split(","))


def numbers(texts: Sequence[str], option: str, *, such_as: str = "0.05,0.1") -> tuple[float, ...]:
    """Numbers with commas between them.

    Raises:
        InputError: One is none.

    Example:
        >>> numbers(["0.1,0.2", "0.3"], "eps")
        (0.1, 0.2, 0.3)
    """
    try:
        return tuple(map(float, names(texts)))
    except ValueError:
        raise InputError(f"{option} must be numbers, such as {such_as}; found {','.join(texts)!r}") from None


def bounds_of(text: str | None, source: Source) -> tuple[float, float] | None:
    """The bounds of the inputs: those asked for, none for "none", or where nothing is asked for the data's own.

    Raises:
        InputError: They are not two numbers.

    Example:
        >>> from ratlp.data import Digits
        >>> bounds_of("0,2", Digits()), bounds_of("none", Digits()), bounds_of(None, Digits())
        ((0.0, 2.0), None, (0.0, 1.0))
    """
    if text is None:
        return source.bounds
    if text == "none":
        return None
    low, *rest = numbers([text], "bounds", such_as="0,1")
    if len(rest) != 1:
        raise InputError(f"bounds must be two numbers, such as 0,1, or none; found {text!r}")
    return low, rest[0]
