"""An evaluation that is cut off and goes on gives what one gives that was not."""

from dataclasses import replace

import pytest
import torch
from utils.attacks import few_attacks

from ratlp.errors import InputError
from ratlp.evaluation import Record, evaluate, minimal_distances, robustness_curve
from ratlp.perturbations import LInf


class CutError(Exception):
    pass


def cut_after(n, records):
    def record(new):
        records.append(Record.from_json(new.to_json()))
        if len(records) == n:
            raise CutError

    return record


@pytest.mark.parametrize("cascade", [False, True])
@pytest.mark.parametrize("layer", ["input", "1"])
@pytest.mark.parametrize("after", [1, 4, 6, 13, 17])
def test_the_result_is_that_of_an_undisturbed_run(mlp, samples, cascade, layer, after):
    model = mlp(4)
    x, y = samples(model)
    attacks = few_attacks(LInf(0.1), layer=layer)
    options = {"cascade": cascade, "batch_size": 16}
    whole = evaluate(model, x, y, attacks, **options)
    records = []
    with pytest.raises(CutError):
        evaluate(model, x, y, attacks, record=cut_after(after, records), **options)
    fresh = []
    resumed = evaluate(model, x, y, attacks, done=records, record=fresh.append, cascade=cascade)
    assert resumed.to_json() == whole.to_json()
    assert resumed == whole
    assert len(records) + len(fresh) == 3 * len(attacks)
    assert not {(r.start, r.task) for r in records} & {(r.start, r.task) for r in fresh}


def test_finished_samples_are_not_attacked_again(mlp, samples, counting):
    model = counting(mlp(4))
    x, y = samples(model)
    records = []
    evaluate(model, x, y, few_attacks(LInf(0.1)), record=records.append, batch_size=16)
    model.forwards = 0
    progress = []
    evaluate(model, x, y, few_attacks(LInf(0.1)), done=records, progress=progress.append)
    assert model.forwards == len(x)
    assert progress[-1].finished == progress[-1].n == len(x)


def test_curves_and_distances_resume_too(mlp, samples):
    model = mlp(4)
    x, y = samples(model)
    attack = few_attacks(LInf(0.1))[1]
    for run in (
        lambda **options: robustness_curve(model, x, y, attack, [0.05, 0.1], **options),
        lambda **options: minimal_distances(model, x, y, attack, tolerance=0.02, **options),
    ):
        records = []
        whole = run(batch_size=16, record=records.append)
        assert run(done=records[:2]) == whole


def test_progress_tells_the_worst_case_so_far(mlp, samples):
    model = mlp(4)
    x, y = samples(model)
    steps = []
    evaluation = evaluate(model, x, y, few_attacks(LInf(0.1)), batch_size=16, progress=steps.append)
    assert [step.finished for step in steps] == [0] * 5 + [16] * 6 + [32] * 6 + [40]
    assert steps[-1].robust == evaluation.worst_case.correct
    assert steps[5].robust == sum(i < 16 for i in evaluation.samples.robust)
    assert steps[2].part == pytest.approx(0.5)


def test_progress_of_distances_has_no_robust_samples(mlp, samples):
    model = mlp(4)
    x, y = samples(model)
    steps, attack = [], few_attacks(LInf(0.1))[1]
    minimal_distances(model, x, y, attack, tolerance=0.05, batch_size=16, progress=steps.append)
    assert [(step.finished, step.robust) for step in steps] == [(16, None), (32, None), (40, None)]


@pytest.mark.parametrize("change", ["model", "x", "y", "seed", "attacks", "cascade"])
def test_records_of_another_run_are_refused(mlp, samples, change):
    model = mlp(4)
    x, y = samples(model)
    records = []
    evaluate(model, x, y, few_attacks(LInf(0.1)), record=records.append)
    given = {"model": model, "x": x, "y": y, "attacks": few_attacks(LInf(0.1)), "seed": 0, "cascade": False}
    other = {
        "model": mlp(4),
        "x": torch.rand_like(x),
        "y": y.roll(1),
        "attacks": few_attacks(LInf(0.2)),
        "seed": 1,
        "cascade": True,
    }
    given[change] = other[change]
    with pytest.raises(InputError, match="records must be of this run"):
        evaluate(**given, done=records)


@pytest.mark.parametrize("values", [(), (1,), (0,) * 9])
def test_records_without_a_value_for_each_sample_are_refused(mlp, samples, values):
    model = mlp(4)
    x, y = samples(model)
    records, attacks = [], few_attacks(LInf(0.1))
    evaluate(model, x, y, attacks, record=records.append, batch_size=8)
    with pytest.raises(InputError, match=f"a value for each of its samples, 0 to 7; found {len(values)}"):
        evaluate(model, x, y, attacks, done=[replace(records[0], values=values)])


def test_a_budget_of_each_feature_marks_the_run_too(mlp, samples):
    model = mlp(4)
    x, y = samples(model)
    runs = {evaluate(model, x, y, few_attacks(LInf(eps * torch.arange(1.0, 7.0)))[:1]).run for eps in (0.1, 0.2)}
    assert len(runs) == 2


def test_the_batch_size_is_that_of_the_records(mlp, samples):
    model = mlp(4)
    x, y = samples(model)
    records = []
    evaluate(model, x, y, few_attacks(LInf(0.1)), record=records.append, batch_size=16)
    with pytest.raises(InputError, match="batch size that they began with, 16; found batch_size=8"):
        evaluate(model, x, y, few_attacks(LInf(0.1)), done=records, batch_size=8)


@pytest.mark.parametrize("line", ["", "{}", "[1]", '{"run": "a"}', '{"run": "c0ffee", "task": "pgd", "sta'])
def test_lines_that_are_no_record(line):
    with pytest.raises(InputError, match="a record must be as it was written"):
        Record.from_json(line)


@pytest.mark.parametrize("entry", [{}, [1], None, {"values": 3}, {"values": [0], "start": 0, "colour": "red"}])
def test_entries_that_are_no_record(entry):
    with pytest.raises(InputError, match="a record must be as it was written"):
        Record.from_dict(entry)
