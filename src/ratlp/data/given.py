"""Sources whose files say themselves which examples are for training and which for the test."""

import numpy as np
import torch
from numpy.typing import NDArray

from ratlp.data.scaling import Array, Scaling
from ratlp.data.source import Source, Split


class GivenSource(Source):
    """One split, given by the data: the same object for every seed.

    Args:
        name: The source's name.
        train: Training inputs `[n_train, *features]` and labels `0..C-1`, `[n_train]`.
        test: Test inputs and labels, with features and classes of the training part.
        scaling: Maps the two parts to model inputs.
        split_rule: In words, where the split comes from.

    Example:
        >>> from ratlp.data.scaling import UNIT_INTERVAL
        >>> part = np.array([[0.0], [1.0]]), np.array([0, 1])
        >>> source = GivenSource("bits", part, part, scaling=UNIT_INTERVAL, split_rule="as given")
        >>> source.draw(seed=0) is source.draw(seed=1)
        True
    """

    def __init__(
        self,
        name: str,
        train: tuple[Array, NDArray[np.int64]],
        test: tuple[Array, NDArray[np.int64]],
        *,
        scaling: Scaling,
        split_rule: str,
    ) -> None:
        x_train, x_test = scaling.apply(train[0], test[0])
        super().__init__(
            name=name,
            features=x_train.shape[1:],
            classes=int(train[1].max()) + 1,
            bounds=scaling.bounds,
            units=scaling.units,
            split_rule=split_rule,
        )
        self._split = Split(
            x_train=torch.from_numpy(x_train),
            y_train=torch.from_numpy(train[1]),
            x_test=torch.from_numpy(x_test),
            y_test=torch.from_numpy(test[1]),
        )

    def _draw(self, seed: int) -> Split:
        return self._split
