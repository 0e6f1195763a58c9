"""Sources that hold all examples and draw a stratified 80/20 split for each seed."""

import numpy as np
import torch
from numpy.typing import NDArray

from ratlp.data.scaling import Array, Scaling
from ratlp.data.source import Source, Split
from ratlp.optional import import_optional

TEST_FRACTION = 0.2


class StratifiedSource(Source):
    """Examples held once, as stored; every seed draws its own stratified 80/20 split.

    Args:
        name: The source's name.
        x: Inputs, `[n, *features]`, finite numbers.
        y: Labels `0..C-1`, `[n]`, with enough examples of each to be stratified.
        scaling: Maps the two parts of a split to model inputs.

    Example:
        >>> from ratlp.data.scaling import UNIT_INTERVAL
        >>> x, y = np.linspace(0, 1, 10)[:, None], np.arange(10) % 2
        >>> StratifiedSource("ramp", x, y, scaling=UNIT_INTERVAL).draw(seed=0).y_test.sum()
        tensor(1)
    """

    def __init__(self, name: str, x: Array, y: NDArray[np.int64], *, scaling: Scaling) -> None:
        super().__init__(
            name=name,
            features=x.shape[1:],
            classes=int(y.max()) + 1,
            bounds=scaling.bounds,
            units=scaling.units,
            split_rule="stratified 80/20, drawn anew for each seed",
        )
        self._x = x
        self._y = y
        self._scaling = scaling

    def _draw(self, seed: int) -> Split:
        selection = import_optional("sklearn.model_selection", package="scikit-learn", extra="cli")
        train, test = selection.train_test_split(
            np.arange(len(self._y)), test_size=TEST_FRACTION, stratify=self._y, random_state=seed
        )
        x_train, x_test = self._scaling.apply(self._x[train], self._x[test])
        return Split(
            x_train=torch.from_numpy(x_train),
            y_train=torch.from_numpy(self._y[train]),
            x_test=torch.from_numpy(x_test),
            y_test=torch.from_numpy(self._y[test]),
        )
