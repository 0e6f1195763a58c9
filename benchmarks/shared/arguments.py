"""What command-line arguments may be."""

import argparse
import importlib.util
import time
from collections.abc import Callable, Iterable, Mapping

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number >= 1; found {text!r}")
    return int(text)


def some_of(known: Iterable[str]) -> Callable[[str], list[str]]:
    """The type of an argument that takes some of the known names, with commas between them."""
    known = list(known)

    def names(text: str) -> list[str]:
        found = list(dict.fromkeys(name.strip() for name in text.split(",")))
        unknown = [name for name in found if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"must be of {', '.join(known)}; found {', '.join(map(repr, unknown))}")
        return found

    return names


def check_packages(parser: argparse.ArgumentParser, needed: Mapping[str, str]) -> None:
    """The parser's error where a package is not installed; its value is what pip is to install."""
    for package, install in needed.items():
        if importlib.util.find_spec(package) is None:
            parser.error(f"this needs {package}, which is not installed: run pip install {install}")
