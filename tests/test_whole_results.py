"""Results that are not whole are refused in one way, whatever is missing."""

import copy
import json

import pytest
import torch
from torch import nn

from ratlp.attacks import FGSM
from ratlp.certificates import AttackRun, Certification, MethodRun
from ratlp.errors import RatlpError
from ratlp.evaluation import Attack, Check, Evaluation, evaluate
from ratlp.perturbations import LInf


def evaluation():
    net, x = nn.Linear(2, 2), torch.rand(6, 2)
    found = evaluate(net, x, net(x).argmax(1), [Attack("fgsm", FGSM(), LInf(0.5))])
    return Evaluation(**{**vars(found), "checks": (Check("monotone", None, "never rises", "pass"),)})


def certification():
    run, attack = MethodRun("interval", 2, 0.1, radius=(0.1, 0.0)), AttackRun("FGSM()", 0.1, (0.2, 0.0))
    return Certification("input", "linf", None, (0.1,), 0.01, "float64", (0, 1), (0, 0), (run,), attack)


def places(content):
    """Where each value stands in a tree of dicts and lists."""
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):
        yield (key,)
        if isinstance(value, dict | list):
            yield from ((key, *rest) for rest in places(value))


def parent(content, place):
    for key in place[:-1]:
        content = content[key]
    return content


def refused(found, content):
    """Whether the content is refused; whatever else is raised fails the test."""
    try:
        type(found).from_json(json.dumps(content))
    except RatlpError:
        return True
    return False


@pytest.mark.parametrize("make", [evaluation, certification], ids=lambda make: make.__name__)
def test_what_is_not_whole_is_refused(make):
    found = make()
    content, places_refused = json.loads(found.to_json()), set()
    for place in places(content):
        other = copy.deepcopy(content)
        del parent(other, place)[place[-1]]
        places_refused |= {place} if refused(found, other) else set()
    parts = {"attacks", "classes", "checks"} if make is evaluation else {"methods", "attack", "eps"}
    assert {(key,) for key in {"schema", "samples", *parts}} <= places_refused
    entry = ("attacks", 0, "forwards") if make is evaluation else ("methods", 0, "seconds")
    assert entry in places_refused


@pytest.mark.parametrize("value", [7, None])
@pytest.mark.parametrize("make", [evaluation, certification], ids=lambda make: make.__name__)
def test_a_part_of_another_kind_is_refused(make, value):
    found = make()
    content = json.loads(found.to_json())
    keys = {key for key in content if refused(found, {**content, key: value})}
    assert keys >= {"schema", "samples", "classes", "checks", "methods"} & set(content)
