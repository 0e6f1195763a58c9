"""Imports point one way: a module may import from its own layer's packages and from those before it."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "ratlp"
LAYERS = [
    {"errors", "optional", "proportions", "versions"},
    {"perturbations", "latent", "losses"},
    {"attacks", "bounds", "classification"},
    {"objective", "certificates", "evaluation"},
    {"data", "models"},
    {"experiments", "assessment"},
    {"report"},
    {"cli"},
]
RANK = {package: rank for rank, layer in enumerate(LAYERS) for package in layer}
ABOVE_ALL = {"__init__", "__main__"}
FILES = sorted(path for path in SOURCE.rglob("*.py") if path.parent != SOURCE or path.stem not in ABOVE_ALL)


def imported_packages(text):
    """What a module takes of ratlp, by first names; the version, a fact about all of it, is free to take."""
    for node in ast.walk(ast.parse(text)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"ratlp.{name}" for name in names] if node.module == "ratlp" else [node.module or ""]
        for name in names:
            if name.split(".")[0] == "ratlp" and name != "ratlp.__version__":
                yield name.removeprefix("ratlp.").split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path):
    own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    for package in imported_packages(path.read_text(encoding="utf-8")):
        assert package in RANK, f"import {package} from the package that defines it"
        assert RANK[package] <= RANK[own], f"{own} imports {package}, which comes after it"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from ratlp.models import load", ["models"]),
        ("from ratlp.latent.cut import Cut", ["latent"]),
        ("import ratlp.cli.app", ["cli"]),
        ("from ratlp import RATLP, cli", ["RATLP", "cli"]),
        ("import ratlp", ["ratlp"]),
        ("from ratlp import __version__", []),
        ("import torch.nn", []),
    ],
)
def test_every_way_to_import_is_seen(text, found):
    assert list(imported_packages(text)) == found


def test_every_package_has_its_place():
    packages = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    packages |= {path.stem for path in SOURCE.glob("*.py")} - ABOVE_ALL
    assert packages == set(RANK)


@pytest.mark.parametrize("folder", [SOURCE, TESTS], ids=lambda path: path.name)
def test_no_file_has_more_than_350_lines(folder):
    for path in folder.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 350, path


def test_no_two_files_of_tests_share_a_name():
    names = [path.name for path in TESTS.rglob("*.py") if path.stem not in ("conftest", "__init__")]
    assert sorted(set(names)) == sorted(names)
