"""What every way to certify can do."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor

from ratlp.certificates.problem import NormedSpace, Problem
from ratlp.certificates.search import RadiusSearch
from ratlp.perturbations import Norm

Found = Iterator[tuple[Tensor, Tensor]]
"""Batch by batch: which samples, `[rows]`, and a radius for each in float64; the CPU holds both."""


class Method(ABC):
    """Finds radii within which a sample keeps its class. A new method is one file with one subclass.

    Attributes:
        name: What results call it.
        norms: Whose balls it serves; in a space of another norm it is refused.
    """

    name: str
    norms: ClassVar[tuple[Norm, ...]] = ("linf", "l2")

    @abstractmethod
    def radii(self, problem: Problem, rows: Tensor, known: Tensor, search: RadiusSearch) -> Found:
        """A radius for each of some samples: every point at most that far keeps the class y.

        Args:
            problem: The samples and their balls.
            rows: `[rows]`, which samples; all are classified as their label.
            known: `[n]`, radii that are known of all samples, in float64.
            search: Which radii matter.

        Raises:
            BoundError: An operation has no rule, or an assumption of the method is not met.
        """

    def is_exact(self, space: NormedSpace) -> bool:
        """Whether no method could find larger radii, so that none further is needed."""
        return False
