"""Every example in a docstring, the README and the documentation runs."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import ratlp

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(ratlp.__path__, "ratlp.") if not module.name.endswith("__main__")
)
# Command, drawings and prose that need a terminal or a whole set of results; and the objective's inner parts.
WITHOUT_EXAMPLES = {
    "ratlp.attacks",
    "ratlp.bounds.interval.arithmetic",
    "ratlp.bounds.interval.attention",
    "ratlp.bounds.interval.dropout",
    "ratlp.bounds.interval.normalisation",
    "ratlp.bounds.interval.reductions",
    "ratlp.bounds.interval.shapes",
    "ratlp.certificates.methods.base",
    "ratlp.certificates.methods.searched",
    "ratlp.certificates.runs",
    "ratlp.cli",
    "ratlp.cli.app",
    "ratlp.cli.certify",
    "ratlp.cli.compare",
    "ratlp.cli.evaluate",
    "ratlp.cli.progress",
    "ratlp.cli.reproduce",
    "ratlp.evaluation.work",
    "ratlp.latent.encode",
    "ratlp.latent.recording",
    "ratlp.latent.rehearsal",
    "ratlp.latent.replay",
    "ratlp.losses.base",
    "ratlp.objective.clean_batch",
    "ratlp.objective.conditions",
    "ratlp.objective.early_backward",
    "ratlp.objective.gradient_scale",
    "ratlp.objective.propagation",
    "ratlp.perturbations.ball",
    "ratlp.perturbations.base",
    "ratlp.report.alt",
    "ratlp.report.evaluated_sections",
    "ratlp.report.figures",
    "ratlp.report.figures.ablation",
    "ratlp.report.figures.boundary",
    "ratlp.report.figures.latents",
    "ratlp.report.figures.regions",
    "ratlp.report.figures.table1",
    "ratlp.report.figures.theorem",
    "ratlp.report.page",
    "ratlp.report.sections",
}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", ["ratlp", *MODULES])
def test_docstring_examples(name):
    module = importlib.import_module(name)
    found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert found.failed == 0
    assert found.attempted > 0 or name in WITHOUT_EXAMPLES or name.rpartition(".")[2].startswith("_")


def test_the_modules_without_examples_exist():
    assert set(MODULES) >= WITHOUT_EXAMPLES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "\n".join(FENCE.findall(page.read_text(encoding="utf-8")))
    exec(compile(code, str(page), "exec"), {"__name__": "page"})  # the project's own text
