"""Every key of the results stands in the table of a page, each entry's keys in its own row."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from ratlp.assessment import Budget, Journal, Plan, assess
from ratlp.attacks import FGSM
from ratlp.certificates import certify

DOCS = Path(__file__).parent.parent / "docs"
OF_THE_RUN = {"by_method", "refused", "broken"}  # whose own keys are names of methods and attacks


def assessment(tmp_path):
    net, x = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2)), torch.rand(8, 2)
    plan = Plan(("fgsm",), "linf", {"input": Budget((0.1,)), "0": Budget((0.1,))}, certify=True)
    with Journal(tmp_path / "unfinished.jsonl", {}) as journal:
        return assess(net, x, net(x).argmax(1), plan, journal)


def certification(tmp_path):
    net, x = nn.Linear(2, 2), torch.rand(8, 2)
    return certify(net, x, net(x).argmax(1), eps=0.1, attack=FGSM())


def keys_in(value):
    """All keys in a tree of dicts and lists."""
    if isinstance(value, dict):
        return set(value).union(*(keys_in(part) for key, part in value.items() if key not in OF_THE_RUN))
    return set().union(*map(keys_in, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize(
    ("make", "pages"), [(assessment, ["evaluate.md", "evaluation.md"]), (certification, ["certify.md"])]
)
def test_every_key_is_documented(make, pages, tmp_path):
    lines = [line for page in pages for line in (DOCS / page).read_text(encoding="utf-8").splitlines()]
    rows = [set(re.findall(r"`(\w+)`", line)) for line in lines if line.startswith("| `")]
    for key, value in make(tmp_path).to_dict().items():
        missing = [({key} | keys_in(value)) - row for row in rows if key in row]
        assert missing, f"no row for {key}"
        assert set() in missing, f"{key} lacks {missing}"
