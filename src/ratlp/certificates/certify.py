"""Certify each sample of a data set: which class changes are impossible, and how far from the sample."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ratlp.attacks import Maximiser, seeded
from ratlp.certificates.attack import smallest_broken
from ratlp.certificates.certification import AttackRun, Certification
from ratlp.certificates.inputs import DTYPES, check_inputs, check_same, clean_logits
from ratlp.certificates.methods import Method, chosen
from ratlp.certificates.problem import Bounds, NormedSpace, Problem
from ratlp.certificates.runs import Progress, Runs
from ratlp.certificates.search import RadiusSearch
from ratlp.classification import check_batch_size, data_taken
from ratlp.errors import InputError
from ratlp.latent.calls import own_forwards, uncompiled
from ratlp.latent.layers import INPUT
from ratlp.latent.on_loan import on_loan
from ratlp.perturbations import Norm
from ratlp.perturbations.values import value_of


@dataclass(frozen=True)
class Effort:
    """How finely and in which steps certificates are computed.

    Attributes:
        tolerance: A radius lies below the largest that its method proves by at most this share of the larger of
            itself and the largest eps; >= 0. inf tries the eps asked for alone, which is quicker.
        batch_size: Samples at once; >= 1.
        dtype: In which bounds are computed, float32 or float64; the model's own where None. The float64 rounding
            that remains is some 1e-12 of the logits, and is not covered.

    Raises:
        InputError: A value is out of its range.

    Example:
        >>> Effort(tolerance=math.inf, batch_size=1000).dtype
        torch.float64
    """

    tolerance: float = 0.01
    batch_size: int = 256
    dtype: torch.dtype | None = torch.float64

    def __post_init__(self) -> None:
        if not self.tolerance >= 0:
            raise InputError(f"tolerance must be >= 0; found {self.tolerance}")
        check_batch_size(self.batch_size)
        if self.dtype not in (*DTYPES, None):
            raise InputError(f"bounds need float32 or float64, where rounding is small; found {self.dtype}")


def certify(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float | Sequence[float],
    layer: str = INPUT,
    norm: Norm = "linf",
    bounds: Bounds | None = None,
    methods: Sequence[str | Method] | None = None,
    attack: Maximiser | None = None,
    effort: Effort | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Certification:
    r"""For each sample a radius r with: argmax g(z') = y for every z' with ||z' - z|| <= r.

    z is the input, or the output of a layer and g what follows it, whatever reaches g past the latent held fixed. The
    methods run from the cheapest to the dearest, each on the samples that are not yet certified at the largest eps. One
    that the model does not allow is left out, and the result says why. Only samples that the model as it is (in
    evaluation mode, in its own precision) classifies as their label are certified.

    A certificate is of the function that the weights define in exact arithmetic, up to the rounding of float64: what
    the model's own arithmetic rounds at other points is not covered.

    The model's modes, gradients, statistics and the random state are left as they are, also on error.

    Args:
        model: A classifier of one input tensor.
        x: `[n, *input]`, float32 or float64, on the model's device.
        y: `[n]`, the labels, int64.
        eps: Radii at which certified accuracy is wanted; finite and >= 0.
        layer: Whose output is perturbed, as in `RATLP`, or "input".
        norm: Of perturbations: "linf", or "l2", which "interval" does not serve.
        bounds: `(low, high)` of the input, two numbers such as (0, 1) for pixels: perturbed inputs stay within.
        methods: Of "closed-form", "lipschitz", "interval", "linear"; or methods of the caller's own. All that serve
            the norm where not given.
        attack: Also run at each eps, in the same space; a certificate that it breaks is an error. Such as
            `PGD(steps=50, restarts=5)`.
        effort: How finely, and in which steps.
        progress: Told how far it has come, after every batch.

    Raises:
        InputError: An argument does not fit, or the data and the model do not.
        LayerError: The layer is unknown, or cannot be replayed from.
        BoundError: The model is not a function of one sample, or no method can serve it; with the reasons.
        SoundnessError: The attack broke a certificate.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> x, y = torch.rand(50, 2), torch.randint(3, (50,))
        >>> found = certify(model, x, y, eps=[0.01, 0.1], bounds=(0, 1))
        >>> found.point(0.1).certified.share <= found.point(0.01).certified.share <= found.clean.share
        True
        >>> latent = certify(model, x, y, eps=0.1, layer="1")
        >>> {name for name in latent.method if name}  <= {"closed-form"}  # a linear layer follows
        True
    """
    model, effort, radii = uncompiled(model), effort or Effort(), _ascending(eps)
    space, wanted = NormedSpace.of(model, layer, norm=norm, bounds=bounds), chosen(methods, norm=norm)
    check_inputs(x, y, bounds=space.bounds)
    y, held = y.to(x.device), space.holding(x)
    search = RadiusSearch(tuple(r for r in radii if r > 0), tolerance=effort.tolerance, limit=held.span)
    with _quiet(model, x):
        with data_taken(x):
            logits = clean_logits(model, x, y, batch_size=effort.batch_size)
        correct = (logits.argmax(1) == y).cpu()
        problem = Problem(model, x, y, held, dtype=x.dtype, batch_size=effort.batch_size)
        attacked = None if attack is None else _attacked(problem, correct, radii, attack)
    dtype = effort.dtype or logits.dtype
    with _quiet(model, x, dtype=dtype):
        first = slice(effort.batch_size)
        check_same(model, x[first].to(dtype), logits[first])
        problem = Problem(model, x, y, held, dtype=dtype, batch_size=effort.batch_size)
        runs = Runs(problem, correct, search, progress).of(wanted)
    return Certification(
        layer=layer,
        norm=norm,
        bounds=space.bounds,
        eps=radii,
        tolerance=effort.tolerance,
        dtype=str(dtype).removeprefix("torch."),
        labels=tuple(y.tolist()),
        predicted=tuple(logits.argmax(1).tolist()),
        methods=runs,
        attack=attacked,
    )


@contextmanager
def _quiet(model: nn.Module, x: Tensor, *, dtype: torch.dtype | None = None) -> Iterator[None]:
    """While open, the model is on loan, runs no compiled code, and draws without a trace."""
    with on_loan(model, dtype=dtype), torch.no_grad(), own_forwards(model), seeded(0, x):
        yield


def _ascending(eps: float | Sequence[float]) -> tuple[float, ...]:
    found = value_of(eps, "eps")
    radii = sorted(set(found.double().flatten().tolist() if isinstance(found, Tensor) else [float(found)]))
    if not radii or not all(math.isfinite(radius) and radius >= 0 for radius in radii):
        raise InputError(f"eps must be one or more numbers, finite and >= 0; found {eps}")
    return tuple(radii)


def _attacked(problem: Problem, correct: Tensor, eps: tuple[float, ...], attack: Maximiser) -> AttackRun:
    start = time.perf_counter()
    rows = correct.nonzero().flatten()
    broken_at = torch.zeros(len(correct), dtype=torch.float64)
    broken_at[rows] = smallest_broken(problem, rows, eps, attack)
    return AttackRun(repr(attack), time.perf_counter() - start, tuple(broken_at.tolist()))
