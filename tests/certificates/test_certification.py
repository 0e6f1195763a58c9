import json
import math
import sys
from dataclasses import replace

import pytest
import torch

from ratlp.certificates import AttackRun, Certification, CertifiedPoint, MethodRun
from ratlp.errors import InputError, MissingExtraError, SoundnessError
from ratlp.proportions import Accuracy


@pytest.fixture
def found():
    return Certification(
        layer="features.3",
        norm="linf",
        bounds=(0.0, 1.0),
        eps=(0.0, 0.1, 0.2),
        tolerance=0.01,
        dtype="float64",
        labels=(0, 1, 2, 0, 1),
        predicted=(0, 1, 2, 0, 2),
        methods=(
            MethodRun("closed-form", samples=4, seconds=0.1, refused="no"),
            MethodRun("interval", samples=4, seconds=0.2, radius=(0.1, 0.05, math.inf, 0.0, 0.0)),
            MethodRun("linear", samples=3, seconds=2.0, radius=(0.15, 0.0, 0.0, 0.2, 0.0)),
        ),
        attack=AttackRun("PGD(steps=50)", seconds=1.0, broken_at=(0.2, 0.1, math.inf, math.inf, 0.0)),
    )


def test_radius_and_method_per_sample(found):
    assert found.radius.tolist() == [0.15, 0.05, math.inf, 0.2, 0.0]
    assert found.method == ("linear", "interval", "interval", "linear", None)


def test_the_curve_counts_the_radii(found):
    assert found.clean == Accuracy(4, 5)
    assert [point.certified.share for point in found.curve] == [0.8, 0.6, 0.4]  # closed balls: 0.2 is certified at 0.2
    assert [point.robust.share for point in found.curve] == [0.8, 0.6, 0.4]
    for eps in (0.0, 0.04, 0.05, 0.051, 0.1, 0.2, 0.3, 7):
        expected = sum(radius >= eps for radius in found.radius[found.correct].tolist())
        assert found.point(eps).certified == Accuracy(expected, 5)


def test_a_sample_counts_for_the_cheapest_method_that_certified_it(found):
    assert found.point(0.1).by_method == {"closed-form": 0, "interval": 2, "linear": 1}
    assert found.point(0.12).by_method == {"closed-form": 0, "interval": 1, "linear": 2}


def test_a_misclassified_sample_is_never_certified(found):
    wrong = replace(found, methods=(MethodRun("interval", 5, 0.0, radius=(1.0,) * 5),), attack=None)
    assert wrong.certified(0.5).tolist() == [True, True, True, True, False]


@pytest.mark.parametrize("attacked", [True, False])
def test_json_there_and_back(found, attacked):
    found = found if attacked else replace(found, attack=None, bounds=None, tolerance=math.inf)
    text = found.to_json()
    assert "Infinity" not in text
    assert Certification.from_json(text) == found
    content = json.loads(text)
    assert content["schema"] == "ratlp.certify/1"
    assert content["clean"] == 0.8
    assert content["clean_ci95"] == list(found.clean.ci95)
    assert content["curve"][1]["certified_accuracy"] == 0.6
    assert content["curve"][1]["ci95"] == list(Accuracy(3, 5).ci95)
    assert ("robust_accuracy" in content["curve"][1]) == attacked
    assert tuple(map(CertifiedPoint.from_dict, content["curve"])) == found.curve
    assert content["samples"]["radius"] == [0.15, 0.05, None, 0.2, 0.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "must be JSON"),
        ("[]", "must be an object; found list"),
        ("{}", "schema ratlp.certify/1; found None"),
        ('{"schema": "ratlp.certify/1"}', "must be whole; found KeyError"),
    ],
)
def test_json_of_another_layout(text, message):
    with pytest.raises(InputError, match=message):
        Certification.from_json(text)


@pytest.mark.parametrize(
    ("change", "found_there"),
    [
        ({"layer": 5}, "text where it holds 5"),
        ({"eps": "0.1"}, "a list where it holds 0.1"),
        ({"eps": []}, "a list where it holds"),
        ({"eps": [math.nan]}, "a finite number where it holds nan"),
        ({"eps": [-1]}, "a number >= 0 where it holds -1"),
        ({"tolerance": "fine"}, "a finite number where it holds fine"),
        ({"bounds": ["0", "1"]}, "a finite number where it holds 0"),
        ({"methods": []}, "a list where it holds"),
        ({"methods": [{"name": "a", "samples": 5, "seconds": 1, "refused": None, "radius": ["a"]}]}, "number"),
        ({"methods": [{"name": "a", "samples": True, "seconds": 1, "refused": None, "radius": []}]}, "a whole number"),
        ({"attack": {"name": 3, "seconds": 1, "broken_at": [None] * 5}}, "text where it holds 3"),
        ({"bounds": [1]}, r"a list of two where it holds \[1\]"),
        ({"bounds": [0, 1, 2]}, r"a list of two where it holds \[0, 1, 2\]"),
        ({"samples": {"label": "abcde", "predicted": [0] * 5}}, "a list where it holds abcde"),
        ({"samples": {"label": [0.5] * 5, "predicted": [0] * 5}}, "a whole number >= 0 where it holds 0.5"),
    ],
)
def test_json_of_other_kinds(found, change, found_there):
    with pytest.raises(InputError, match=f"a certification's JSON must hold .*{found_there}"):
        Certification.from_dict({**found.to_dict(), **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": 5}, "must be whole; found TypeError"),
        ({"methods": [5]}, "must be whole; found TypeError"),
        ({"attack": {"name": "a"}}, "must be whole; found KeyError"),
        ({"norm": "l1"}, "norm must be 'linf' or 'l2'; found 'l1'"),
    ],
)
def test_json_that_is_not_whole(found, change, message):
    with pytest.raises(InputError, match=message):
        Certification.from_dict({**found.to_dict(), **change})


def test_a_certificate_that_the_attack_broke_cannot_be_reported(found):
    broken = replace(found.attack, broken_at=(0.1, *found.attack.broken_at[1:]))
    with pytest.raises(SoundnessError, match=r"at eps = 0.1 \(0\)"):
        replace(found, attack=broken)


def test_parts_of_different_lengths(found):
    with pytest.raises(InputError, match="one of everything per sample"):
        replace(found, labels=(0, 1))


def test_the_data_frame(found):
    frame = found.to_dataframe()
    assert list(frame.columns) == ["label", "predicted", "correct", "radius", "method", "broken_at"]
    assert frame["radius"].tolist() == found.radius.tolist()
    assert frame.groupby("correct").size().to_dict() == {False: 1, True: 4}
    assert "broken_at" not in replace(found, attack=None).to_dataframe()


def test_without_pandas(found, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match="pandas"):
        found.to_dataframe()


def test_the_repr_can_be_read(found):
    accuracies = "clean 80.0 %, certified 80.0 % at 0, 60.0 % at 0.1, 40.0 % at 0.2"
    assert repr(found) == f"Certification(5 samples, linf in layer 'features.3': {accuracies})"


@pytest.mark.parametrize("eps", [-0.1, math.nan, math.inf])
def test_eps_out_of_range(found, eps):
    with pytest.raises(InputError, match="eps must be finite and >= 0"):
        found.certified(eps)


def test_an_attack_is_known_at_its_radii_only(found):
    with pytest.raises(InputError, match=r"must have run at eps = 0\.15"):
        found.survived(0.15)
    assert torch.equal(found.survived(0.2), torch.tensor([False, False, True, True, False]))
    assert found.point(0.15).robust is None
