"""Bounds of the loss over perturbation sets, in place of points of high loss: certified training."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor

from ratlp.bounds.interval import Interval, logits_over, worst_logits
from ratlp.errors import BoundError
from ratlp.perturbations.base import Edges


class LossBound(ABC):
    """Logits that no perturbation in the sets can make worse. A new bound is one file with one subclass."""

    @abstractmethod
    def __call__(self, rest: Callable[[Tensor], Tensor], edges: Edges, y: Tensor) -> Tensor:
        """Logits `[batch, classes]` whose cross-entropy is an upper bound of that of every latent between the edges.

        Args:
            rest: Runs the rest of the model on a latent, of any kind of tensor.
            edges: Lower and upper bounds of the latent.
            y: `[batch]`, class indices.
        """


class IntervalBound(LossBound):
    """Interval bounds of the rest of the model: certified training (IBP, Gowal et al., arXiv 1810.12715).

    In the objective it takes the place of a maximiser. A maximiser finds one point of the set, and so a lower bound
    of the inner maximum; this gives an upper bound, and a net with a small one has a certificate.

    Example:
        >>> import torch
        >>> from ratlp import RATLP
        >>> from ratlp.perturbations import Propagated
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> budget = Propagated(0.1, bounds=(0, 1))
        >>> objective = RATLP(model, layer="input", perturbation=budget, maximiser=IntervalBound())
        >>> out = objective(torch.rand(16, 4), torch.randint(2, (16,)))
        >>> bool(out.adversarial_loss >= out.clean_loss)
        True
    """

    def __call__(self, rest: Callable[[Tensor], Tensor], edges: Edges, y: Tensor) -> Tensor:
        """The worst logits, by intervals."""
        logits = logits_over(rest, Interval(*edges))
        if logits.dim() != 2 or y.dim() != 1 or y.is_floating_point():
            raise BoundError(
                "bounds need logits [batch, classes] and class indices [batch]; "
                f"found {tuple(logits.shape)} and {y.dtype} of {tuple(y.shape)}"
            )
        return worst_logits(logits, y)

    def __repr__(self) -> str:
        return "IntervalBound()"
