"""Images as convolutions take them."""

from torch import Tensor


def as_images(pixels: Tensor) -> Tensor:
    """With a channel axis; flat pixels as `[batch, 1, side, side]`."""
    if pixels.dim() > 3:
        return pixels
    side = (round(pixels.shape[1] ** 0.5),) * 2 if pixels.dim() == 2 else pixels.shape[1:]
    return pixels.reshape(len(pixels), 1, *side)
