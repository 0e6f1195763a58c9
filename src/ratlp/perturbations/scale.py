"""A latent's own scale, for budgets that mean the same wherever the latent lies.

An absolute budget on a free latent can be escaped: an encoder that grows its latents, with a head that shrinks to
match, computes the same and does not feel the perturbation. A budget relative to the latent's scale cannot be
escaped so. Kumari et al. (arXiv 1905.05186) set the radius of a hidden layer from the layer itself, and
Continuous-AT (Xhonneux et al., arXiv 2405.15589) from the length of the token embeddings. Here the scale is the root
mean square of the coordinates, so that eps = 0.1 moves each by a tenth of their typical size.
"""

import torch
from torch import Tensor


def rms_per_sample(point: Tensor) -> Tensor:
    """sqrt(mean of z^2) over each sample: `[batch, 1, ...]`.

    Example:
        >>> rms_per_sample(torch.tensor([[3.0, -3.0], [0.0, 2.0]]))
        tensor([[3.0000],
                [1.4142]])
    """
    return _rms(point, tuple(range(1, point.dim())))


def rms_per_token(point: Tensor) -> Tensor:
    """sqrt(mean of z^2) over each token of `[batch, tokens, *features]`: `[batch, tokens, 1, ...]`.

    Example:
        >>> rms_per_token(torch.tensor([[[3.0, -3.0], [0.0, 0.0]]])).flatten()
        tensor([3., 0.])
    """
    return _rms(point, tuple(range(2, point.dim())))


def rms_per_channel(point: Tensor) -> Tensor:
    """sqrt(mean of z^2) over batch and positions for each channel of `[batch, channels, ...]`: `[1, channels, 1, ...]`.

    Example:
        >>> rms_per_channel(torch.tensor([[1.0, 10.0], [1.0, 10.0]]))
        tensor([[ 1., 10.]])
    """
    return _rms(point, (0, *range(2, point.dim())))


def _rms(point: Tensor, axes: tuple[int, ...]) -> Tensor:
    wide = torch.promote_types(point.dtype, torch.float32)  # squares overflow in float16
    mean_square: Tensor = point.to(wide).square().mean(axes, keepdim=True)
    return mean_square.sqrt()
