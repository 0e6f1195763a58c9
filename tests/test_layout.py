"""Imports point one way: a module may import from its own layer's packages and from those before it."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "ratlp"
LAYERS = [
    {"errors", "optional", "proportions"},
    {"perturbations", "latent", "losses"},
    {"attacks", "bounds", "classification"},
    {"objective", "certificates", "evaluation"},
    {"data", "models"},
    {"experiments", "assessment"},
    {"report"},
    {"cli"},
]
RANK = {package: rank for rank, layer in enumerate(LAYERS) for package in layer}
FILES = sorted(path for path in SOURCE.rglob("*.py") if path.parent != SOURCE or path.stem in RANK)


def imported_packages(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name and name.startswith("ratlp."):
                yield name.split(".")[1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path):
    own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    for package in imported_packages(path):
        assert RANK[package] <= RANK[own], f"{own} imports {package}, which comes after it"


def test_every_package_has_its_place():
    packages = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert packages <= set(RANK)


@pytest.mark.parametrize("folder", [SOURCE, TESTS], ids=lambda path: path.name)
def test_no_file_has_more_than_350_lines(folder):
    for path in folder.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 350, path


def test_no_two_files_of_tests_share_a_name():
    names = [path.name for path in TESTS.rglob("*.py") if path.stem not in ("conftest", "__init__")]
    assert sorted(set(names)) == sorted(names)
