import sys
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from ratlp.assessment import Budget, Journal, Plan, assess
from ratlp.certificates import Certification, MethodRun

PLAN = Plan(
    ("fgsm", "noise"),
    "linf",
    {"input": Budget((0.1, 0.3)), "1": Budget((0.5,))},
    bounds=(0.0, 1.0),
    batch_size=16,
    checks=False,
    certify=True,
    few=20,
)


@pytest.fixture
def data():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    x = torch.rand(40, 4)
    y = torch.where(torch.rand(40) < 0.9, model(x).argmax(1), torch.zeros(40, dtype=torch.int64))
    return model, x, y


def credulous(radius, model, x, y, *, eps, layer, norm, **options):
    """Certifies each sample that is classified rightly, up to one radius."""
    predicted = model(x).argmax(1)
    run = MethodRun("faith", len(y), 0.0, radius=tuple(radius * (predicted == y).double()))
    labels = (tuple(y.tolist()), tuple(predicted.tolist()))
    return Certification(layer, norm, None, tuple(eps), 0.01, "float64", *labels, (run,))


class Cut(Exception):  # noqa: N818
    pass


def cut_after(journal, lines):
    append, left = journal._append, [lines]

    def counting(entry):
        append(entry)
        left[0] -= 1
        if left[0] == 0:
            raise Cut

    journal._append = counting


def test_one_that_was_cut_off_anywhere_gives_the_same(tmp_path, data):
    with Journal(tmp_path / "whole", PLAN.settings()) as journal:
        whole = assess(*data, PLAN, journal).to_dict()
        pieces = journal.found
    for lines in range(1, pieces, 5):
        path = tmp_path / str(lines)
        with Journal(path, PLAN.settings()) as journal:
            cut_after(journal, lines)
            with pytest.raises(Cut):
                assess(*data, PLAN, journal)
        with Journal(path, PLAN.settings()) as journal:
            assert journal.found >= lines
            assert assess(*data, PLAN, journal).to_dict() == whole


def test_finished_work_is_not_run_again(tmp_path, data):
    with Journal(tmp_path / "journal", PLAN.settings()) as journal:
        assess(*data, PLAN, journal)
    content = (tmp_path / "journal").read_bytes()
    with Journal(tmp_path / "journal", PLAN.settings()) as journal:
        assess(*data, PLAN, journal)
    assert (tmp_path / "journal").read_bytes() == content


def test_worst_cases_and_certificates_bracket_the_truth(tmp_path, data):
    with Journal(tmp_path / "journal", PLAN.settings()) as journal:
        found = assess(*data, PLAN, journal)
    for layer in ("input", "1"):
        attacks = [attack for attack in found.evaluation.attacks if attack.layer == layer]
        assert found.worst_case(layer).correct <= min(attack.robust.correct for attack in attacks)
        assert found.worst_case(layer).correct >= found.evaluation.worst_case.correct
    for curve, certified in zip(found.curves, found.certificates, strict=True):
        robust = {point.eps: point.robust.correct for point in curve.points}
        assert [point.eps for point in certified.points] == sorted(robust)[1:]
        assert all(point.certified.correct <= robust[point.eps] for point in certified.points)
    assert [len(one.values) for one in found.distances] == [20, 20]
    verdicts = {check.name: check.verdict for check in found.evaluation.checks}
    assert verdicts == {"certificates at input": "pass", "certificates at 1": "pass"}


def test_a_broken_certificate_is_loud(tmp_path, data, monkeypatch):
    monkeypatch.setattr(sys.modules["ratlp.assessment.assess"], "certify", partial(credulous, 0.3))
    plan = replace(PLAN, budgets={"input": Budget((0.3, 0.1))}, few=1)
    with Journal(tmp_path / "journal", {}) as journal:
        found = assess(*data, plan, journal)
    broken = found.evaluation.clean.correct - found.evaluation.worst_case.correct
    (check,) = found.evaluation.checks
    assert broken > 0
    assert (check.value, check.verdict) == (broken, "do not trust")


def test_a_certificate_that_a_curve_breaks_at_a_larger_eps_is_loud(tmp_path, data, monkeypatch):
    monkeypatch.setattr(sys.modules["ratlp.assessment.assess"], "certify", partial(credulous, 0.3))
    plan = replace(PLAN, budgets={"input": Budget((1e-6, 0.3))}, few=1)  # the attacks' own eps breaks nothing
    with Journal(tmp_path / "journal", {}) as journal:
        found = assess(*data, plan, journal)
    (check,) = found.evaluation.checks
    assert found.evaluation.worst_case == found.evaluation.clean
    assert check.value == found.evaluation.clean.correct - found.curves[0].points[-1].robust.correct > 0
    assert check.verdict == "do not trust"


@pytest.mark.parametrize("radius", [0.3, 0.29])
def test_a_certificate_that_reaches_beyond_a_minimal_distance_is_loud(tmp_path, data, monkeypatch, radius):
    monkeypatch.setattr(sys.modules["ratlp.assessment.assess"], "certify", partial(credulous, radius))
    plan = replace(PLAN, budgets={"input": Budget((0.3, 1e-6))}, few=40)
    with Journal(tmp_path / "journal", {}) as journal:
        found = assess(*data, plan, journal)
    (check,) = found.evaluation.checks
    correct = found.evaluation.samples.correct
    nearer = [i for i, value in enumerate(found.distances[0].values) if i in correct and value and value < radius]
    assert check.value >= len(nearer) > 0
    assert radius == 0.3 or check.value == len(nearer)
    assert check.verdict == "do not trust"


def test_several_models_share_a_journal(tmp_path, data):
    model, x, y = data
    other, plan = nn.Linear(4, 3), replace(PLAN, budgets={"input": Budget((0.1,))}, certify=False)
    with Journal(tmp_path / "journal", {}) as journal:
        pair = [assess(one, x, y, plan, journal, prefix=f"{name}: ") for name, one in (("a", model), ("b", other))]
    for one, found in zip((model, other), pair, strict=True):
        with Journal(tmp_path / str(id(one)), {}) as journal:
            assert assess(one, x, y, plan, journal) == found


def test_where_nothing_can_be_certified_the_reason_is_kept(tmp_path):
    class Cosine(nn.Module):
        def forward(self, x):
            return torch.cos(x @ torch.ones(4, 2, dtype=x.dtype))

    plan = replace(PLAN, budgets={"input": Budget((0.1,))})
    x = torch.rand(8, 4)
    with Journal(tmp_path / "journal", {}) as journal:
        (found,) = assess(Cosine(), x, Cosine()(x).argmax(1), plan, journal).certificates
    assert found.points == ()
    assert found.refused.keys() == {""}
    assert "there is none for torch.cos" in found.refused[""]
