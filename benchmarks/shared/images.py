"""Images as convolutions take them."""

from torch import Tensor

from ratlp.errors import InputError

LEAST_SIDE = 4
"""Of an image, in pixels."""


def as_images(pixels: Tensor) -> Tensor:
    """With a channel axis; flat pixels as `[batch, 1, side, side]`.

    Raises:
        InputError: They are too small, or flat and of no square number of pixels.
    """
    if pixels.dim() > 3:
        return pixels
    side = (round(pixels.shape[1] ** 0.5),) * 2 if pixels.dim() == 2 else tuple(pixels.shape[1:])
    if side[0] * side[-1] != pixels[0].numel() or min(side) < LEAST_SIDE:
        raise InputError(
            f"convolutions need images, of {LEAST_SIDE} x {LEAST_SIDE} pixels or more; found samples of shape "
            f"{tuple(pixels.shape[1:])}: name digits or a folder of IDX files"
        )
    return pixels.reshape(len(pixels), 1, *side)
