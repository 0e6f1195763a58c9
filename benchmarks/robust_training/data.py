"""Where the images come from, with a validation part held out of the training part."""

import torch
from robust_training.training import Data

from ratlp.data import load_source

VALIDATION = 1000
LARGE = 10_000
"""Training images from which on ten epochs are enough."""


def load(spec: str) -> Data:
    """`digits`, or a folder of IDX files; a tenth of the training part, at most 1,000, is the validation part."""
    source = load_source(spec)
    split = source.draw(0)
    train, test = _images(split.x_train), _images(split.x_test)
    order = torch.randperm(len(split.y_train), generator=torch.Generator().manual_seed(0))
    held = min(VALIDATION, len(order) // 10)
    chosen, rest = order[:held], order[held:]
    return Data(
        train=(train[rest], split.y_train[rest]),
        validation=(train[chosen], split.y_train[chosen]),
        test=(test, split.y_test),
        name=source.name,
    )


def _images(pixels: torch.Tensor) -> torch.Tensor:
    """With a channel axis; flat pixels as `[batch, 1, side, side]`."""
    if pixels.dim() > 3:
        return pixels
    side = (round(pixels.shape[1] ** 0.5),) * 2 if pixels.dim() == 2 else pixels.shape[1:]
    return pixels.reshape(len(pixels), 1, *side)
