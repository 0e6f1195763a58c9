from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import torch

from ratlp.latent.trees import alias, copied, in_type, map_tensors, swapped, tensors


@dataclass(frozen=True)
class Pair:
    a: torch.Tensor
    b: object


Point = namedtuple("Point", ["x", "y"])
A, B = torch.tensor(1.0), torch.tensor(2.0)
TREES = [A, (A, B), [A, "text", B], {"a": A, "b": [B]}, OrderedDict(a=A, b=B), Point(A, B), Pair(A, [B, None])]


def test_every_tensor_is_mapped_and_the_tree_is_left_alone():
    for tree in TREES:
        found = list(tensors(map_tensors(lambda tensor: -tensor, tree)))
        assert found == [-tensor for tensor in tensors(tree)]
        assert type(map_tensors(lambda tensor: tensor, tree)) is type(tree)


def test_containers_are_new():
    tree = [A]
    map_tensors(lambda tensor: tensor, tree).pop()
    assert tree == [A]


def test_one_tensor_for_another():
    assert list(tensors(swapped(Pair(A, [B, A]), A, B))) == [B, B, B]


def test_an_alias_shares_the_content_and_not_the_hooks():
    tensor = torch.ones(3, requires_grad=True) * 1
    other = alias(tensor)
    other.register_hook(lambda gradient: 2 * gradient)
    (gradient,) = torch.autograd.grad(tensor.sum() + other.sum(), tensor)
    assert gradient.tolist() == [3, 3, 3]
    assert other.data_ptr() == tensor.data_ptr()


def test_copies_pass_gradients_on_under_no_grad():
    tensor = torch.ones(3, requires_grad=True)
    with torch.no_grad():
        assert copied(tensor).requires_grad
        assert alias(tensor).requires_grad
        assert not copied(torch.ones(3)).requires_grad


def test_only_floating_tensors_change_their_type():
    whole, mask = torch.arange(3), torch.tensor([True])
    tree = in_type({"x": (A.half(), whole), "mask": mask}, torch.float64)
    assert [tensor.dtype for tensor in tensors(tree)] == [torch.float64, torch.int64, torch.bool]
    assert tree["x"][1] is whole
