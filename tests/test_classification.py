"""The same fault has the same words, whether a model is to be certified, in either way, or attacked."""

import pytest
import torch
from torch import nn
from utils.no_logits import Gives

from ratlp.attacks import FGSM
from ratlp.certificates import certify, certify_lipschitz
from ratlp.classification import check_samples, check_within, first_logits
from ratlp.errors import InputError
from ratlp.evaluation import Attack, adversarial_examples, evaluate
from ratlp.perturbations import LInf

X, Y = torch.rand(4, 2), torch.tensor([0, 1, 2, 0])


def words_of(run):
    with pytest.raises(InputError) as caught:
        run()
    return str(caught.value)


@pytest.mark.parametrize(
    ("model", "x", "y"),
    [
        (nn.Linear(2, 3), X[:3], Y),
        (nn.Linear(2, 3), X[:0], Y[:0]),
        (nn.Linear(2, 3), X / 0, Y),
        (nn.Linear(2, 3), X, Y.float()),
        (nn.Linear(2, 3), X, Y.tolist()),
        (nn.Linear(2, 3), X, Y + 25),
        (nn.Linear(2, 1), X, Y),
        (nn.Linear(2, 3), X.double(), Y),
        (Gives(lambda logits, x: logits[0], features=2), X, Y),
        (Gives(lambda logits, x: logits / 0, features=2), X, Y),
        (Gives(lambda logits, x: logits.long(), features=2), X, Y),
        (Gives(lambda logits, x: "logits", features=2), X, Y),
    ],
)
def test_certificates_and_evaluations_say_the_same(model, x, y):
    attack = Attack("fgsm", FGSM(), LInf(0.1))
    runs = (
        lambda: evaluate(model, x, y, [attack]),
        lambda: certify(model, x, y, eps=0.1),
        lambda: certify_lipschitz(model, x, y, layer="input"),
    )
    assert len({words_of(run) for run in runs}) == 1


@pytest.mark.parametrize("size", [0, -3])
def test_a_batch_has_one_sample_or_more(size):
    model, attack = nn.Linear(2, 3), Attack("fgsm", FGSM(), LInf(0.1))
    runs = (
        lambda: evaluate(model, X, Y, [attack], batch_size=size),
        lambda: adversarial_examples(model, X, Y, attack, batch_size=size),
        lambda: certify_lipschitz(model, X, Y, layer="input", batch_size=size),
    )
    assert {words_of(run) for run in runs} == {f"batch_size must be >= 1; found {size}"}


def test_trees_are_looked_at_whole():
    check_samples({"ids": torch.zeros(4, 3).long(), "x": (X,)}, Y)
    with pytest.raises(InputError, match=r"found inputs of shape \(3, 2\) and 4 labels"):
        check_samples({"ids": torch.zeros(4, 3).long(), "x": (X[:3],)}, Y)


def test_each_feature_has_its_own_bounds():
    x = torch.tensor([[0.5, 50.0], [1.0, 100.0]])
    check_within(x, (0, torch.tensor([1.0, 100.0])), named="the bounds")
    with pytest.raises(InputError, match=r"within the bounds; found 1 of 4 values outside, from 0.5 to 100"):
        check_within(x, (0, torch.tensor([1.0, 99.0])), named="the bounds")


def test_what_a_model_says_of_other_data_is_kept_short():
    def refuse(logits, x):
        raise AssertionError("long " * 100)

    words = words_of(lambda: first_logits(Gives(refuse, features=2), X))
    assert words.startswith("the model must take the data; found that inputs of shape (4, 2) and torch.float32 raise")
    assert len(words) < 400


def test_what_rounding_puts_outside_passes():
    low, high = (0 - 0.1307) / 0.3081, (1 - 0.1307) / 0.3081
    x = (torch.tensor([[0.0, 1.0]]) - 0.1307) / 0.3081
    assert not bool(((x >= low) & (x <= high)).all())
    check_within(x, (low, high), named="the bounds")
    with pytest.raises(InputError, match="found 1 of 2 values outside"):
        check_within(x + torch.tensor([0.0, 1e-5]), (low, high), named="the bounds")
    with pytest.raises(InputError, match="found 1 of 2 values outside"):
        check_within(x - torch.tensor([1e-5, 0.0]), (low, torch.tensor([1.0, torch.inf])), named="the bounds")


def test_bounds_that_do_not_fit_a_sample():
    attack = Attack("fgsm", FGSM(), LInf(0.1, bounds=(torch.zeros(3), 1.0)))
    with pytest.raises(InputError, match=r"bounds must be broadcastable to a sample, \(2,\)"):
        evaluate(nn.Linear(2, 3), X, Y, [attack])


def test_what_does_not_take_each_batch():
    def alone(logits, x):
        if len(logits) > 2:
            raise KeyError("three")
        return logits

    attack, rule = Attack("fgsm", FGSM(), LInf(0.1)), r"must take the data; found .* \(4, 2\) .* KeyError \('three'\)"
    runs = (lambda m: evaluate(m, X, Y, [attack]), lambda m: adversarial_examples(m, X, Y, attack))
    for run in (*runs, lambda m: certify(m, X, Y, eps=0.1)):
        with pytest.raises(InputError, match=rule):
            run(Gives(alone, features=2))


def test_inputs_of_several_parts_are_all_named():
    with pytest.raises(InputError, match=r"inputs of shape \(4, 2\) and torch.float32, \(4, 1\) and torch.int64 raise"):
        evaluate(nn.Bilinear(3, 1, 2), (X, Y[:, None]), Y, [Attack("fgsm", FGSM(), LInf(0.1))])


def test_inputs_of_another_width():
    with pytest.raises(InputError, match=r"must take the data; found that inputs of shape \(4, 2\) .* \(mat1 and mat2"):
        evaluate(nn.Linear(5, 3), X, Y, [Attack("fgsm", FGSM(), LInf(0.1))])
