"""Where the images come from, with a validation part held out of the training part."""

from dataclasses import dataclass

import torch
from shared.images import as_images
from torch import Tensor

from ratlp.data import load_source

VALIDATION = 1000
LARGE = 10_000
"""Training images from which on ten epochs are enough."""


@dataclass(frozen=True)
class Data:
    """Images in [0, 1], divided into training, validation and test parts."""

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    name: str


def load(spec: str) -> Data:
    """`digits`, or a folder of IDX files; a tenth of the training part, at most 1,000, is the validation part."""
    source = load_source(spec)
    split = source.draw(0)
    train, test = as_images(split.x_train), as_images(split.x_test)
    order = torch.randperm(len(split.y_train), generator=torch.Generator().manual_seed(0))
    held = min(VALIDATION, len(order) // 10)
    chosen, rest = order[:held], order[held:]
    return Data(
        train=(train[rest], split.y_train[rest]),
        validation=(train[chosen], split.y_train[chosen]),
        test=(test, split.y_test),
        name=source.name,
    )
