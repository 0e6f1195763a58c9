"""Results become JSON and come back."""

import json

import pandas as pd
import pytest
from utils.attacks import few_attacks

from ratlp.errors import InputError
from ratlp.evaluation import (
    Accuracy,
    Check,
    Curve,
    Distances,
    Evaluation,
    evaluate,
    minimal_distances,
    robustness_curve,
)
from ratlp.perturbations import L2, LInf, rms_per_sample


@pytest.fixture
def evaluation(mlp, samples):
    model = mlp(4)
    attacks = (
        *few_attacks(LInf(0.1, bounds=(0, 1)))[:2],
        *few_attacks(L2(0.05, relative_to=rms_per_sample), layer="1")[2:4],
    )
    return evaluate(model, *samples(model), attacks)


def test_the_layout(evaluation):
    content = json.loads(evaluation.to_json())
    assert {"clean", "attacks", "worst_case", "checks", "schema", "n", "samples"} <= set(content)
    assert content["clean"] == evaluation.clean.correct / 40
    assert content["checks"] == []
    assert "timings" not in content
    for entry, attack in zip(content["attacks"], evaluation.attacks, strict=True):
        assert {"name", "space", "layer", "norm", "eps", "robust_accuracy", "ci95", "n"} <= set(entry)
        assert entry["robust_accuracy"] == attack.robust.correct / entry["n"]
        assert entry["ci95"][0] < entry["robust_accuracy"] < entry["ci95"][1]
    spaces = [(entry["space"], entry["layer"], entry["norm"]) for entry in content["attacks"]]
    assert spaces == [("input", "input", "linf")] * 2 + [("latent", "1", "l2")] * 2


def test_json_comes_back(evaluation):
    assert Evaluation.from_json(evaluation.to_json()) == evaluation
    checked = Evaluation(**{**vars(evaluation), "checks": (Check("monotone", None, "never rises", "pass"),)})
    again = Evaluation.from_json(checked.to_json())
    assert again == checked
    assert again.checks[0].rule == "never rises"
    assert again != evaluation


@pytest.mark.parametrize(
    ("text", "message"), [("{", "error at character 1"), ("[]", "found list"), ("{}", "found None")]
)
def test_what_is_no_result(text, message):
    with pytest.raises(InputError, match=message):
        Evaluation.from_json(text)


def test_the_timings_cover_every_attack(evaluation):
    assert set(evaluation.timings) == {attack.name for attack in evaluation.attacks}
    assert all(seconds > 0 for seconds in evaluation.timings.values())


def test_it_reads_well(evaluation):
    text = repr(evaluation)
    assert text.startswith("Evaluation, independent attacks:\n  clean ")
    assert "worst case" in text
    assert f"{100 * evaluation.clean.share:.1f} %" in text
    failed = Evaluation(**{**vars(evaluation), "checks": (Check("monotone", 1.0, "never rises", "do not trust"),)})
    assert "monotone: do not trust" in repr(failed)


def test_a_data_frame(evaluation):
    frame = evaluation.to_dataframe()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame["name"]) == [attack.name for attack in evaluation.attacks]
    assert list(frame["robust_accuracy"]) == [attack.robust.share for attack in evaluation.attacks]


def test_curves_and_distances_become_json(mlp, samples):
    model = mlp(4)
    x, y = samples(model)
    attack = few_attacks(LInf(0.1), layer="1")[1]
    curve = robustness_curve(model, x, y, attack, [0.1, 0.5])
    assert Curve.from_dict(json.loads(json.dumps(curve.to_dict()))) == curve
    distances = minimal_distances(model, x, y, attack, tolerance=0.02)
    assert Distances.from_dict(json.loads(json.dumps(distances.to_dict()))) == distances
    assert "median" in repr(distances)


def test_accuracies_have_wilson_intervals():
    assert Accuracy(8, 10).ci95 == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert repr(Accuracy(0, 10)) == "0.0 % (95 % CI 0.0 to 27.8, n = 10)"
