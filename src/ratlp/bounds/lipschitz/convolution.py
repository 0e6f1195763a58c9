r"""Convolutions with any stride, dilation and groups.

Zero padding makes a convolution of a finite image a compression of the convolution of an infinite one: pad with
zeros for ever, convolve, look at some of the outputs. Its norm is at most that of the infinite one.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ratlp.bounds.lipschitz.linear import spectral_norm
from ratlp.bounds.lipschitz.rules import Shape, lipschitz_rule, refused, weights_of
from ratlp.bounds.rounding import rounded_up
from ratlp.perturbations import Norm

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d

_CONVOLVE = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_DENSE = 2**20
"""Up to this many entries the matrix is formed, and the norm exact."""
_SAMPLES_PER_DEGREE = (24, 16, 12, 8)
_WORK = 6e9


@lipschitz_rule(nn.Conv1d, nn.Conv2d, nn.Conv3d)
def convolution(module: Convolution, norm: Norm, shape: Shape | None = None) -> float:
    r"""The induced norm under L-inf; under L2 the norm, or a bound of it some percent above.

    - L-inf: the largest row L1 norm. Without an input size it is the sum of |weight| over input channels and
      kernel, for the largest output channel: exact where some output sees the whole kernel. With a size it is
      exact for zero padding, by convolving an image of ones with |weight|. Padding other than with zeros can only
      add up taps that fall on one pixel, whose absolute value the sum bounds.
    - L2, small images (the matrix has at most 2^20 entries): the matrix's largest singular value.
    - L2 otherwise: the infinite convolution's norm, `frequency_bound`.

    Raises:
        BoundError: L2 with padding other than zeros.

    Example:
        >>> layer = nn.Conv2d(1, 1, 3, padding=1, bias=False)
        >>> _ = nn.init.ones_(layer.weight)
        >>> round(convolution(layer, "linf"), 9), round(convolution(layer, "linf", (1, 1, 2, 2)), 9)
        (9.0, 4.0)
        >>> round(convolution(layer, "l2", (1, 1, 2, 2)), 9)
        4.0
    """
    weight = weights_of(module)
    shape = (1, *shape[1:]) if shape is not None and len(shape) == weight.dim() else None
    zeros = module.padding_mode == "zeros"
    if norm == "linf":
        image = weight.new_ones(shape) if zeros and shape is not None else None
        sums = weight.abs().flatten(1).sum(1) if image is None else _convolve(module, image, weight.abs())
        return rounded_up(float(sums.amax()), weight[0].numel())
    if not zeros:
        raise refused(
            module, norm, f"the rule is for padding_mode='zeros'; found {module.padding_mode!r}: use zeros, or linf"
        )
    bound = frequency_bound(weight, stride=module.stride, dilation=module.dilation, groups=module.groups)
    matrix = None if shape is None else _matrix(module, weight, shape)
    return bound if matrix is None else min(bound, spectral_norm(matrix))


def frequency_bound(weight: Tensor, *, stride: Sequence[int], dilation: Sequence[int], groups: int = 1) -> float:
    r"""At least the L2 norm of the convolution of an infinite image, and of any zero-padded finite one.

    That norm is the supremum over frequencies w of the largest singular value of W(w) = sum over taps t of
    W_t exp(-i w.t). For a unit vector v, p(w) = ||W(w) v||^2 is a real trigonometric polynomial whose degree in each
    dimension is m = taps - 1. Near its maximum w* such a polynomial is at least p(w*) cos(m (w - w*)) (M. Riesz, 1914),
    and of N > 2 m equidistant points one lies within pi / N of w*. So

        norm^2 <= max over the grid of sigma_max(W(w))^2 / prod over dimensions of cos(pi m / N).

    N is 24 m where that is affordable (0.5 % per dimension), and 8 m at least (4 % per dimension). In place of a
    grid of the image's own size and a circular convolution (Delattre et al., arXiv 2305.16173), it needs no image
    size. A stride s is a stride of 1 with s times the channels (each phase one), and a dilation at stride 1 only
    permutes frequencies.

    Args:
        weight: `[out, in / groups, *kernel]`, float64.
        stride: One for each dimension of the kernel.
        dilation: Likewise.
        groups: As in `torch.nn.Conv2d`.

    Example:
        >>> kernel = torch.ones(1, 1, 3, 3).double()
        >>> round(frequency_bound(kernel, stride=(1, 1), dilation=(1, 1)), 3)  # the supremum is 9, at w = 0
        9.078
    """
    kernel = weight.unflatten(0, (groups, -1))  # [groups, out, in, *kernel]
    for axis, (s, d) in enumerate(zip(stride, dilation, strict=True), start=3):
        kernel = _phases(kernel, axis, s, d) if s > 1 else kernel
    degrees = [size - 1 for size in kernel.shape[3:]]
    per_degree = next((n for n in _SAMPLES_PER_DEGREE if _work(kernel, degrees, n) <= _WORK), _SAMPLES_PER_DEGREE[-1])
    grid = [max(1, per_degree * m) for m in degrees]
    largest = max(map(spectral_norm, _responses(kernel, grid)))
    gap = math.prod(math.cos(math.pi * m / n) for m, n in zip(degrees, grid, strict=True))
    return rounded_up(largest / math.sqrt(gap), 16 * math.prod(kernel.shape[3:]))


def _phases(kernel: Tensor, axis: int, stride: int, dilation: int) -> Tensor:
    """The kernel of the same map with stride 1 along an axis, on `stride` times the channels."""
    taps = dilation * torch.arange(kernel.shape[axis], device=kernel.device)
    length = stride * math.ceil((int(taps[-1]) + 1) / stride)
    spread = kernel.new_zeros([*kernel.shape[:axis], length, *kernel.shape[axis + 1 :]])
    spread.index_copy_(axis, taps, kernel)
    phases: Tensor = spread.unflatten(axis, (-1, stride))
    return phases.movedim(axis + 1, 3).flatten(2, 3)


def _work(kernel: Tensor, degrees: list[int], per_degree: int) -> float:
    groups, rows, columns = kernel.shape[:3]
    return math.prod(max(1, per_degree * m) for m in degrees) * groups * rows * columns * min(rows, columns) / 2


def _responses(kernel: Tensor, grid: list[int]) -> Iterator[Tensor]:
    """W(w) at the grid's frequencies, in chunks of matrices `[groups, chunk, out, in]`.

    A real kernel has conjugate responses at w and -w: half of the last dimension is enough.
    """
    counts = [*grid[:-1], grid[-1] // 2 + 1]
    steps = [torch.arange(c, device=kernel.device).double() / n for c, n in zip(counts, grid, strict=True)]
    taps = torch.cartesian_prod(*[torch.arange(size, device=kernel.device) for size in kernel.shape[3:]])
    turns = torch.cartesian_prod(*steps).view(-1, len(grid)) @ taps.view(-1, len(grid)).double().T
    waves = torch.polar(torch.ones_like(turns), -2 * math.pi * turns)  # [frequencies, taps]
    flat = kernel.flatten(3).to(waves.dtype)
    chunk = max(1, 2**22 // flat[..., 0].numel())
    return (torch.einsum("goit,ft->gfoi", flat, part) for part in waves.split(chunk))


def _matrix(module: Convolution, weight: Tensor, shape: Shape) -> Tensor | None:
    """The convolution as a matrix, transposed: `[inputs, outputs]`; None where it is too large."""
    inputs = math.prod(shape)
    outputs = _convolve(module, weight.new_ones(shape), weight).numel()
    if inputs * outputs > _DENSE:
        return None
    basis = torch.eye(inputs, dtype=weight.dtype, device=weight.device)
    return _convolve(module, basis.view(inputs, *shape[1:]), weight).flatten(1)


def _convolve(module: Convolution, image: Tensor, weight: Tensor) -> Tensor:
    convolve = _CONVOLVE[weight.dim() - 2]
    convolved: Tensor = convolve(image, weight, None, module.stride, module.padding, module.dilation, module.groups)
    return convolved
