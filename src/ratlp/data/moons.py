"""Two Moons, the toy problem of the paper."""

import math
from typing import ClassVar

import torch

from ratlp.data.scaling import STANDARDISED, as_float32, standardise as standardised
from ratlp.data.source import Kind, Source, Split
from ratlp.errors import InputError
from ratlp.optional import import_optional


class Moons(Source):
    """Two interleaved half circles of radius 1 with Gaussian noise.

    Points and split are drawn anew for each seed, by scikit-learn's `make_moons` and
    `train_test_split` with `random_state=seed`; the split is not stratified. Inputs are `[2]`
    and unbounded.

    Args:
        n: The number of points, training and test together.
        noise: The standard deviation of the noise, at least 0.
        test_fraction: The share of the points that are for the test, above 0 and below 1.
        standardise: Whether inputs are in standard deviations of the training part instead of the
            coordinates of `make_moons`.

    Raises:
        InputError: An option is out of its range, or leaves one part without a point.

    Example:
        >>> Moons(n=100, noise=0.1).draw(seed=0).x_test.shape
        torch.Size([20, 2])
    """

    kind: ClassVar[Kind] = "moons"

    def __init__(
        self,
        *,
        n: int = 1000,
        noise: float = 0.2,
        test_fraction: float = 0.2,
        standardise: bool = False,
    ) -> None:
        _check_options(n, noise, test_fraction)
        super().__init__(
            name="moons",
            features=(2,),
            classes=2,
            bounds=None,
            units=STANDARDISED.units if standardise else "the radius of a half circle",
            split_rule=(f"points and a random split, {test_fraction:.0%} test, drawn anew for each seed"),
        )
        self.n = n
        self.noise = noise
        self.test_fraction = test_fraction
        self.standardise = standardise

    def _draw(self, seed: int) -> Split:
        datasets = import_optional("sklearn.datasets", package="scikit-learn", extra="cli")
        selection = import_optional("sklearn.model_selection", package="scikit-learn", extra="cli")
        x, y = datasets.make_moons(n_samples=self.n, noise=self.noise, random_state=seed)
        x_train, x_test, y_train, y_test = selection.train_test_split(
            x, y, test_size=self.test_fraction, random_state=seed
        )
        scale = standardised if self.standardise else as_float32
        x_train, x_test = scale(x_train, x_test)
        return Split(
            x_train=torch.from_numpy(x_train),
            y_train=torch.from_numpy(y_train),
            x_test=torch.from_numpy(x_test),
            y_test=torch.from_numpy(y_test),
        )


def _check_options(n: int, noise: float, test_fraction: float) -> None:
    if not (math.isfinite(noise) and noise >= 0):
        raise InputError(f"noise must be a finite number >= 0; found {noise}: choose 0.2, say")
    if not 0 < test_fraction < 1:
        raise InputError(f"test_fraction must lie between 0 and 1; found {test_fraction}: choose 0.2, say")
    if not 0 < math.ceil(n * test_fraction) < n:
        raise InputError(
            "n and test_fraction must leave a point for training and one for the test; "
            f"found n={n}, test_fraction={test_fraction}: raise n"
        )
