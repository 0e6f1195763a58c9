import pytest

from ratlp.assessment import Assessment, differences
from ratlp.errors import InputError
from ratlp.evaluation import Accuracy, AttackResult, Evaluation, Samples


def assessment(right, broken, labels=(0, 1, 0, 1)):
    predictions = tuple(label if index in right else 9 for index, label in enumerate(labels))
    samples = Samples(labels, predictions, {"pgd": broken})
    n = len(labels)
    pgd = AttackResult("pgd", "input", "input", "linf", 0.1, None, None, "", Accuracy(1, n), 1, forwards=1, gradients=1)
    evaluation = Evaluation(
        Accuracy(len(right), n), (pgd,), Accuracy(1, n), (), samples, "independent", seed=0, batch_size=4, run=""
    )
    return Assessment(evaluation, (), ())


def test_pairs_are_counted_sample_by_sample():
    one, other = assessment({0, 1, 2}, (1,)), assessment({1, 2, 3}, (2, 3))
    clean, worst = differences(("a", "b"), (one, other))
    assert (clean.measure, clean.difference, clean.first_only, clean.second_only) == ("clean", 0.0, 1, 1)
    assert (worst.measure, worst.difference, worst.first_only, worst.second_only) == (
        "worst case at input", 0.25, 2, 1,
    )  # fmt: skip


def test_every_two_models_are_compared():
    found = differences(("a", "b", "c"), (assessment({0}, ()),) * 3)
    assert [(one.first, one.second) for one in found[::2]] == [("a", "b"), ("a", "c"), ("b", "c")]


def test_other_samples_are_refused():
    with pytest.raises(InputError, match="same samples"):
        differences(("a", "b"), (assessment({0}, ()), assessment({0}, (), labels=(1, 1, 1, 1))))
