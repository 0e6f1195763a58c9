"""Many nets of one shape as a single net: one batched matrix product in place of a loop."""

from collections.abc import Sequence
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn

from ratlp.errors import InputError

Net = TypeVar("Net", bound=nn.Module)


class StackedLinear(nn.Module):
    """`nets` linear layers side by side: `[nets, batch, in]` to `[nets, batch, out]`.

    Net i computes x[i] @ weight[i] + bias[i]; no gradient flows between nets.

    Args:
        layers: The layers to stack, of equal shape; their weights are copied.

    Example:
        >>> a, b = nn.Linear(2, 3), nn.Linear(2, 3)
        >>> x = torch.randn(2, 5, 2)
        >>> torch.allclose(StackedLinear([a, b])(x)[1], b(x[1]), atol=1e-6)
        True
    """

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        # Input-major, as the batched product wants it: no transposed copies in the backward pass.
        weight = torch.stack([layer.weight.detach().T for layer in layers])
        bias = torch.stack([layer.bias.detach() for layer in layers]).unsqueeze(1)
        self.weight = nn.Parameter(weight.contiguous())
        self.bias = nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        """Each net's own linear map."""
        return torch.baddbmm(self.bias, x, self.weight)


def stack(nets: Sequence[Net]) -> Net:
    """One module that runs all `nets`, which are built alike from linear layers and activations.

    The result takes `[nets, batch, features]`. Parameters are copied; the nets stay as they are.

    Raises:
        InputError: A linear layer has no bias, or another module has parameters or buffers.

    Example:
        >>> from ratlp.models import mlp
        >>> nets = [mlp(2, classes=3) for _ in range(4)]
        >>> stack(nets)(torch.randn(4, 5, 2)).shape
        torch.Size([4, 5, 3])
    """
    _check_stackable(nets[0])
    stacked = deepcopy(nets[0])
    for name, module in nets[0].named_modules():
        if isinstance(module, nn.Linear):
            layers = [net.get_submodule(name) for net in nets]
            stacked.set_submodule(name, StackedLinear(layers))  # type: ignore[arg-type]
    return stacked


def _check_stackable(net: nn.Module) -> None:
    for name, module in net.named_modules():
        if isinstance(module, nn.Linear):
            if module.bias is None:
                raise InputError(
                    f"a stack needs linear layers with a bias; found none in {name!r}: build it with bias=True"
                )
        elif [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
            raise InputError(
                "a stack knows no modules with parameters or buffers but linear layers; found "
                f"{type(module).__name__} at {name!r}: train such nets one at a time"
            )


@torch.no_grad()
def unstack(stacked: nn.Module, like: Net, index: int) -> Net:
    """Net number `index` of a stack as an ordinary module, built as `like` is.

    Example:
        >>> from ratlp.models import mlp
        >>> nets = [mlp(2, classes=3) for _ in range(4)]
        >>> x = torch.randn(5, 2)
        >>> torch.equal(unstack(stack(nets), nets[0], 2)(x), nets[2](x))
        True
    """
    net = deepcopy(like)
    for name, module in net.named_modules():
        if isinstance(module, nn.Linear):
            source = stacked.get_submodule(name)
            module.weight.copy_(source.weight[index].T)  # type: ignore[index]
            module.bias.copy_(source.bias[index, 0])  # type: ignore[index]
    return net
