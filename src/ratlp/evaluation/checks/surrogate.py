"""A small net that imitates another where an attack may move."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ratlp.attacks import seeded
from ratlp.evaluation.spaces import Space
from ratlp.perturbations import PerturbationSet

_HIDDEN = 64
_DRAWS = 8
_UPDATES = 150
_LEARNING_RATE = 0.01


class Imitation(nn.Module):
    """Flattens, standardises, then linear - ReLU - linear.

    Args:
        points: `[batch, *point]`, whose mean and scale are taken.
        classes: Logits.

    Example:
        >>> Imitation(torch.randn(5, 3, 2), classes=4)(torch.randn(7, 3, 2)).shape
        torch.Size([7, 4])
    """

    def __init__(self, points: Tensor, *, classes: int) -> None:
        super().__init__()
        flat = points.flatten(1)
        self._mean = flat.mean(0)
        # One scale for all: features that barely move would otherwise be blown up.
        self._scale = (flat - self._mean).square().mean().sqrt().clamp(min=torch.finfo(flat.dtype).tiny)
        layers = nn.Sequential(nn.Linear(flat.shape[1], _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, classes))
        self.layers = layers.to(device=flat.device, dtype=flat.dtype)

    def forward(self, points: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.layers((points.flatten(1) - self._mean) / self._scale)
        return logits


def imitate(space: Space, perturbation: PerturbationSet, *, seed: int) -> Imitation:
    """A net trained on the predictions of another, at a batch's points and at 8 random perturbations of each.

    Full-batch Adam, 150 updates, on the cross-entropy to the predicted classes. Torch's random state stays as it is.

    Example:
        >>> from ratlp.evaluation.spaces import InputSpace
        >>> from ratlp.perturbations import LInf
        >>> net, x = nn.Linear(2, 3), torch.randn(50, 2)
        >>> twin = imitate(InputSpace(net, x), LInf(0.1), seed=0)
        >>> bool((twin(x).argmax(1) == net(x).argmax(1)).float().mean() > 0.8)
        True
    """
    points = space.points
    with seeded(seed, points):
        deltas = [torch.zeros_like(points), *(perturbation.random(points) for _ in range(_DRAWS))]
        answers = [space.everywhere(delta) for delta in deltas]
        x, y = torch.cat([points + delta for delta in deltas]), torch.cat(answers).argmax(1)
        twin = Imitation(x, classes=answers[0].shape[1])
        optimiser = torch.optim.Adam(twin.parameters(), lr=_LEARNING_RATE)
        with torch.enable_grad():
            for _ in range(_UPDATES):
                optimiser.zero_grad()
                cross_entropy(twin(x), y).backward()
                optimiser.step()
    return twin.eval().requires_grad_(False)
