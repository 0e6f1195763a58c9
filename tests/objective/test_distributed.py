"""DistributedDataParallel around the objective: two processes against one on the joint batch."""

from objective.two_processes import DDP, differences, gradients_of


def test_gradients_equal_one_process_on_the_joint_batch(tmp_path):
    found = gradients_of("ddp", tmp_path)
    assert differences(found, DDP, relative=1e-10) == {}
