"""The Square attack: random search that looks at scores alone."""

import torch
from torch import Tensor

from ratlp.attacks.base import Deltas, InnerProblem, Maximiser, wide
from ratlp.attacks.best import Best
from ratlp.attacks.windows import plane_of
from ratlp.errors import InputError
from ratlp.perturbations import L2

_TINY, _CANCELLED = 1e-12, 1e-4  # of lengths that are 0, and of a bump that undoes what is there
_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""After which of 10 000 queries the share of coordinates that changes is halved."""


class Square(Maximiser):
    r"""Square attack: Andriushchenko et al. (arXiv 1912.00049, Algorithms 1 to 3). No gradient is needed.

    Each query changes a square window of the image, placed at random for each sample, and is kept where the loss
    is higher. In L-inf the window goes to a corner of the set, one sign for each channel; it begins with vertical
    stripes. In L2 the window takes over what a second one holds, as two bumps of opposite sign, and the whole is
    brought back to the ball's surface; it begins with a grid of such windows. The share of the coordinates in a
    window falls from `share` to a 512th of it, on the paper's schedule, scaled to `queries`.

    Points are `[batch, *channels, height, width]`; in `[batch, features]` the window is a random subset of the
    features, each with a sign of its own. With several layers each moves in its own windows, all at once. Any set
    that is not `L2` is searched as L-inf is, at its corners.

    Args:
        queries: Forward passes per restart; >= 1.
        restarts: How often to begin anew; >= 1.
        share: Of a sample's coordinates, how many the first windows change; in (0, 1].
        seed: Of the attack's own generator: it draws the same at every call and leaves torch's alone.

    Raises:
        InputError: An argument is out of its range.

    Example:
        >>> from ratlp.perturbations import LInf
        >>> point = torch.tensor([[3.0, -1.0]])
        >>> Square(queries=50)(InnerProblem(lambda d: (point + d[0]).square().sum(1), [point], [LInf(0.5)]))
        (tensor([[ 0.5000, -0.5000]]),)
    """

    starts_at_zero = False
    takes_gradients = False

    def __init__(self, *, queries: int = 5000, restarts: int = 1, share: float = 0.8, seed: int = 0) -> None:
        if queries < 1 or restarts < 1:
            raise InputError(f"queries and restarts must be >= 1; found {queries} and {restarts}")
        if not 0 < share <= 1:
            raise InputError(f"share must be in (0, 1]; found {share}")
        self.queries = queries
        self.restarts = restarts
        self.share = share
        self.seed = seed

    def __call__(self, problem: InnerProblem) -> Deltas:
        """The best perturbation found."""
        generator = torch.Generator(problem.points[0].device).manual_seed(self.seed)
        searches = [_search(problem, index, generator) for index in range(len(problem.points))]
        best = Best(problem.zeros())
        for _ in range(self.restarts):
            current = Best(problem.zeros())
            deltas = tuple(search.start() for search in searches)
            for share in _shares(self.queries, self.share):
                if problem.finished:
                    break
                deltas = problem.project(deltas)
                current.update(problem.losses(deltas), deltas)
                deltas = tuple(search.change(d, share) for search, d in zip(searches, current.kept, strict=True))
            best.update(current.losses, current.kept)
        return best.kept

    def __repr__(self) -> str:
        options = [f"queries={self.queries}"]
        options += [f"restarts={self.restarts}"] if self.restarts > 1 else []
        options += [f"share={self.share:g}"] if self.share != 0.8 else []
        options += [f"seed={self.seed}"] if self.seed else []
        return f"Square({', '.join(options)})"


def _shares(queries: int, first: float) -> list[float]:
    """The share of coordinates that changes after each query."""
    scaled = [query * 10_000 // queries for query in range(queries)]
    return [first / 2 ** sum(query > at for at in _HALVINGS) for query in scaled]


class _Search:
    """How one of the points is moved, through `[batch, channels, height, width]`."""

    def __init__(self, problem: InnerProblem, index: int, generator: torch.Generator) -> None:
        self._point, self._set = problem.points[index], problem.perturbations[index]
        self._plane = plane_of(self._point, generator)

    def _as_point(self, pattern: Tensor) -> Tensor:
        return pattern.expand(self._plane.shape).reshape(self._point.shape)


class _Corners(_Search):
    """Between the corners of a set: the L-inf attack."""

    def start(self) -> Tensor:
        return self._corner(self._plane.stripes())

    def change(self, delta: Tensor, share: float) -> Tensor:
        return torch.where(self._as_point(self._plane.windows(share).mask), self._corner(self._plane.signs()), delta)

    def _corner(self, signs: Tensor) -> Tensor:
        return self._set.linear_maximum(self._as_point(signs), self._point)


class _Bumps(_Search):
    """Mass from window to window: the L2 attack."""

    def __init__(self, problem: InnerProblem, index: int, generator: torch.Generator) -> None:
        super().__init__(problem, index, generator)
        corner = self._surface(torch.ones(self._plane.shape, device=self._point.device))
        self._radius = _length(corner.to(wide(corner)).reshape(self._plane.shape), (1, 2, 3))

    def start(self) -> Tensor:
        return self._surface(self._plane.tiles())

    def change(self, delta: Tensor, share: float) -> Tensor:
        held, plane = delta.to(wide(delta)).reshape(self._plane.shape), (2, 3)
        to, source = self._plane.windows(share, least=3), self._plane.windows(share, least=3).mask
        inside, new = held * to.mask, to.bumps() * self._plane.signs()
        bump = new + inside / _length(inside, plane).clamp(min=_TINY)
        bump = torch.where(_length(bump, plane) > _CANCELLED, bump, new)
        # What both windows hold, and each channel's part of what the ball has left
        left = (self._radius.square() - _length(held, (1, 2, 3)).square()).clamp(min=0) / held.shape[1]
        length = (_length(held * (to.mask | source), plane).square() + left).sqrt()
        bump = length * bump / _length(bump, plane).clamp(min=_TINY)
        return self._surface(torch.where(to.mask, bump, torch.where(source, 0, held)))

    def _surface(self, direction: Tensor) -> Tensor:
        return self._set.steepest(self._as_point(direction), self._point)


def _search(problem: InnerProblem, index: int, generator: torch.Generator) -> _Corners | _Bumps:
    kind = _Bumps if isinstance(problem.perturbations[index], L2) else _Corners
    return kind(problem, index, generator)


def _length(tensor: Tensor, axes: tuple[int, ...]) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(tensor, dim=axes, keepdim=True)
    return length
