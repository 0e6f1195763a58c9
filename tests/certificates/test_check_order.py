import pytest
import torch

from ratlp.certificates import check_order
from ratlp.errors import InputError, RatlpError, SoundnessError


def masks(*rows):
    return [torch.tensor([bool(value) for value in row]) for row in rows]


def test_certified_within_attacked_within_clean():
    check_order(*masks([1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]))


def test_a_broken_certificate_is_loud_and_names_the_samples():
    clean, attacked, certified = masks([1] * 8, [0] * 8, [0, 0, 1, 1, 1, 1, 1, 1])
    with pytest.raises(SoundnessError, match=r"6 misclassified at eps = 0.1 \(2, 3, 4, 5, 6, ...\)"):
        check_order(clean, attacked, certified, eps=0.1)
    assert issubclass(SoundnessError, RatlpError)


def test_nobody_is_right_under_attack_who_was_wrong_before():
    with pytest.raises(SoundnessError, match=r"found 1 that did \(1\)"):
        check_order(*masks([1, 0], [1, 1], [0, 0]))


def test_accuracies_in_the_right_order_of_the_wrong_samples_are_caught():
    with pytest.raises(SoundnessError):  # 1 certified <= 2 under attack <= 3 clean
        check_order(*masks([1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 1, 0]))


@pytest.mark.parametrize("wrong", [torch.ones(2), torch.ones(3, dtype=torch.bool), torch.ones(2, 1, dtype=torch.bool)])
def test_other_shapes_and_types(wrong):
    fine = torch.ones(2, dtype=torch.bool)
    with pytest.raises(InputError, match="boolean vectors of one length"):
        check_order(fine, wrong, fine)
