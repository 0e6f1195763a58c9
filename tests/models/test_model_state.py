import pytest
import torch
from torch import nn

from ratlp.errors import InputError
from ratlp.models.state import check_state, stored_tensors, tied_names


class WithExtraState(nn.Module):
    def get_extra_state(self):
        return {"a": 1}


class Sparse(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.eye(2).to_sparse())


@pytest.mark.parametrize(
    ("model", "found"),
    [
        (WithExtraState(), "_extra_state, a dict"),
        (Sparse(), "mask, a tensor of layout torch.sparse_coo"),
        (nn.Linear(2, 2, device="meta"), "weight, which is on the meta device"),
        (nn.Sequential(nn.LazyConv2d(2, 3)), "0.weight, which has no shape yet"),
    ],
)
def test_entries_that_no_file_can_hold_are_refused(model, found):
    with pytest.raises(InputError, match=f"m must hold dense tensors with values; found {found}: make it"):
        check_state(model, what="m")


def test_equal_tensors_are_not_tied():
    net = nn.ModuleList([nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)])
    net[1].load_state_dict(net[0].state_dict())
    assert tied_names(net.state_dict(keep_vars=True)) == [["0.weight"], ["1.weight"]]


def test_stored_tensors_are_copies():
    net = nn.BatchNorm1d(2)
    tensors = stored_tensors(net)
    with torch.no_grad():
        net.weight.fill_(7)
        net.running_mean.fill_(7)
    assert tensors["weight"].tolist() == [1, 1]
    assert tensors["running_mean"].tolist() == [0, 0]
    assert not any(t.requires_grad for t in tensors.values())
