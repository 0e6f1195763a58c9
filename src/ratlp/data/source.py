"""What every source of data offers: a description of its inputs, and one split per seed."""

import operator
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, SupportsIndex

from torch import Tensor

from ratlp.errors import InputError

Kind = Literal["moons", "digits", "file"]

_LARGEST_SEED = 2**32 - 1  # the largest that numpy and scikit-learn accept


@dataclass(frozen=True, eq=False)
class Split:
    """One train/test split, as tensors on the CPU.

    Attributes:
        x_train: Training inputs, `[n_train, *features]`, float32.
        y_train: Training labels `0..C-1`, `[n_train]`, int64.
        x_test: Test inputs, `[n_test, *features]`, float32.
        y_test: Test labels, `[n_test]`, int64.

    Example:
        >>> from ratlp.data import Moons
        >>> split = Moons(n=50).draw(seed=0)
        >>> len(split.y_train), len(split.y_test)
        (40, 10)
    """

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor


@dataclass(kw_only=True, eq=False)
class Source(ABC):
    """Where data comes from: describes the inputs and draws one split per seed.

    Attributes:
        kind: "moons" or "digits" for the built-in sources, "file" for all others: names are the user's own
            and may be the same.
        name: "moons", "digits", or the name of the folder or file without its suffix.
        features: The shape of one input.
        classes: The number of classes `C`.
        bounds: The valid range of every input value; None where unbounded.
        units: What 1.0 means in input space.
        split_rule: In words, how examples are divided into a training and a test part.

    Example:
        >>> from ratlp.data import Moons
        >>> source = Moons(standardise=True)
        >>> source.units
        'standard deviations of the training part'
    """

    kind: ClassVar[Kind] = "file"
    name: str
    features: tuple[int, ...]
    classes: int
    bounds: tuple[float, float] | None
    units: str
    split_rule: str

    def draw(self, seed: int) -> Split:
        """Draw the split of a seed; it depends on the seed only.

        Args:
            seed: An integer from 0 to 2**32 - 1.

        Returns:
            The split. Sources with a given split return the same object for every seed, so the
            tensors are not to be written to.

        Raises:
            InputError: The seed is not an integer in the range.
            MissingExtraError: The source needs scikit-learn, which is not installed.

        Example:
            >>> from ratlp.data import Moons
            >>> source = Moons()
            >>> bool((source.draw(3).x_train == source.draw(3).x_train).all())
            True
        """
        return self._draw(_checked_seed(seed))

    def described(self, seed: int) -> dict[str, Any]:
        """Kind, name, sizes, units and split, for the record of results, as JSON.

        Example:
            >>> from ratlp.data import Moons
            >>> found = Moons(n=50).described(seed=0)
            >>> found["name"], found["n_train"], found["n_test"], found["features"]
            ('moons', 40, 10, [2])
        """
        split = self.draw(seed)
        return {
            "kind": self.kind,
            "name": self.name,
            "n_train": len(split.x_train),
            "n_test": len(split.x_test),
            "features": list(self.features),
            "classes": self.classes,
            "bounds": None if self.bounds is None else list(self.bounds),
            "units": self.units,
            "split_rule": self.split_rule,
        }

    @property
    def image(self) -> tuple[int, int, int] | None:
        """(channels, height, width), where inputs are images of one or three channels; None for others.

        Example:
            >>> from ratlp.data import Digits, Moons
            >>> Digits().image, Moons().image
            ((1, 8, 8), None)
        """
        if len(self.features) == 2:
            return (1, *self.features)
        return self.features if len(self.features) == 3 and self.features[0] in (1, 3) else None

    @abstractmethod
    def _draw(self, seed: int) -> Split:
        """Draw the split of a seed that has been checked."""


def _checked_seed(seed: SupportsIndex) -> int:
    rule = f"seed must be an integer from 0 to {_LARGEST_SEED}; found {seed!r}: choose another"
    try:
        number = operator.index(seed)
    except TypeError as error:
        raise InputError(rule) from error
    if not 0 <= number <= _LARGEST_SEED:
        raise InputError(rule)
    return number
