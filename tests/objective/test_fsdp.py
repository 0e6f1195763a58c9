"""The objective around a model that `fully_shard` (FSDP2) has sharded: two processes against one."""

import pytest
from objective.two_processes import FSDP, KEPT_UNSHARDED, differences, gradients_of


def test_gradients_equal_one_process_on_the_joint_batch(tmp_path):
    found = gradients_of("fsdp", tmp_path)
    assert differences(found, FSDP, relative=1e-10) == {}


@pytest.mark.slow
def test_gradients_with_parameters_left_unsharded_by_a_forward(tmp_path):
    found = gradients_of("fsdp kept unsharded", tmp_path)
    assert differences(found, KEPT_UNSHARDED, relative=1e-10) == {}
