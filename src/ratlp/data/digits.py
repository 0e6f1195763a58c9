"""The handwritten digits that come with scikit-learn."""

from typing import ClassVar

import numpy as np

from ratlp.data.scaling import PIXELS, Scaling, as_float32
from ratlp.data.source import Kind
from ratlp.data.stratified import StratifiedSource
from ratlp.optional import import_optional

_WHITE = 16  # the digits are stored as 0..16


class Digits(StratifiedSource):
    """1,797 images of 8 x 8 pixels, 10 classes, with a stratified 80/20 split per seed.

    Inputs are `[64]`, the flattened pixels in [0, 1].

    Raises:
        MissingExtraError: scikit-learn is not installed.

    Example:
        >>> source = Digits()
        >>> source.features, source.bounds
        ((64,), (0.0, 1.0))
    """

    kind: ClassVar[Kind] = "digits"

    def __init__(self) -> None:
        datasets = import_optional("sklearn.datasets", package="scikit-learn", extra="cli")
        x, y = datasets.load_digits(return_X_y=True)
        super().__init__(
            "digits",
            x / _WHITE,
            y.astype(np.int64),
            scaling=Scaling(PIXELS.bounds, PIXELS.units, as_float32),
        )

    @property
    def image(self) -> tuple[int, int, int]:
        """What the 64 pixels are an image of: one channel, 8 x 8."""
        return (1, 8, 8)
