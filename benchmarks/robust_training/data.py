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
    images = [
        part.reshape(len(part), 1, *part.shape[1:]) if part.dim() == 3 else part
        for part in (split.x_train, split.x_test)
    ]
    images = [_square(part) for part in images]
    order = torch.randperm(len(split.y_train), generator=torch.Generator().manual_seed(0))
    held = min(VALIDATION, len(order) // 10)
    chosen, rest = order[:held], order[held:]
    return Data(
        train=(images[0][rest], split.y_train[rest]),
        validation=(images[0][chosen], split.y_train[chosen]),
        test=(images[1], split.y_test),
        name=source.name,
    )


def _square(images: torch.Tensor) -> torch.Tensor:
    """Flat pixels as `[batch, 1, side, side]`."""
    if images.dim() > 2:
        return images
    side = round(images.shape[1] ** 0.5)
    return images.reshape(len(images), 1, side, side)
