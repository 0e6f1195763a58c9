from dataclasses import replace

import pytest

from ratlp.assessment import Assessment, differences
from ratlp.errors import InputError
from ratlp.evaluation import Accuracy, AttackResult, Evaluation, Samples


def assessment(right, broken, labels=(0, 1, 0, 1), attack="pgd: PGD(steps=20)"):
    predictions = tuple(label if index in right else 9 for index, label in enumerate(labels))
    samples = Samples(labels, predictions, {"pgd": broken})
    n = len(labels)
    pgd = AttackResult(
        "pgd", "input", "input", "linf", 0.1, None, None, attack, Accuracy(1, n), 1, forwards=1, gradients=1
    )
    evaluation = Evaluation(
        Accuracy(len(right), n), (pgd,), Accuracy(1, n), (), samples, "independent", seed=0, batch_size=4, run=""
    )
    return Assessment(evaluation, (), ())


def test_pairs_are_counted_sample_by_sample():
    one, other = assessment({0, 1, 2}, (1,)), assessment({1, 2, 3}, (2, 3))
    clean, worst = differences({"a": one, "b": other})
    assert (clean.measure, clean.difference, clean.first_only, clean.second_only) == ("clean", 0.0, 1, 1)
    assert (worst.measure, worst.difference, worst.first_only, worst.second_only) == (
        "worst case at input", 0.25, 2, 1,
    )  # fmt: skip


def test_every_two_models_are_compared():
    found = differences(dict.fromkeys("abc", assessment({0}, ())))
    assert [(one.first, one.second) for one in found[::2]] == [("a", "b"), ("a", "c"), ("b", "c")]


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({"labels": (1, 1, 1, 1)}, "other labels for 'c' than for 'a'"),
        ({"labels": (0, 1)}, "other labels for 'c' than for 'a'"),
        ({"attack": "pgd: PGD(steps=50)"}, r"'c' under pgd: PGD\(steps=50\), where 'a' was under pgd: PGD\(steps=20\)"),
    ],
)
def test_other_samples_and_other_attacks_are_refused(other, found):
    same = assessment({0}, ())
    assert differences({"a": same, "b": same})
    with pytest.raises(InputError, match=f"same samples under the same attacks; found {found}: assess all with one"):
        differences({"a": same, "b": same, "c": assessment({0}, (), **other)})


def test_one_attack_more_and_another_order_are_refused():
    one = assessment({0}, ())
    pgd, fgsm = one.evaluation.attacks[0], replace(one.evaluation.attacks[0], name="fgsm", attack="fgsm: FGSM()")

    def under(*attacks):
        return replace(one, evaluation=replace(one.evaluation, attacks=attacks))

    with pytest.raises(InputError, match=r"found 'b' under no attack, where 'a' was under fgsm: FGSM\(\): assess"):
        differences({"a": under(pgd, fgsm), "b": one})
    with pytest.raises(InputError, match=r"found 'b' under fgsm: FGSM\(\), where 'a' was under no attack: assess"):
        differences({"a": one, "b": under(pgd, fgsm)})
    with pytest.raises(InputError, match=r"found 'b' under fgsm: FGSM\(\), where 'a' was under pgd"):
        differences({"a": under(pgd, fgsm), "b": under(fgsm, pgd)})
