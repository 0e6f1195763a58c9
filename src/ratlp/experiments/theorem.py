"""The paper's theorem (section 4), held against the exact inner maximum on trained nets."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ratlp.attacks import FGSM, InnerProblem
from ratlp.bounds import exact_maximum, linf_norm, pairwise_norm
from ratlp.certificates import loss_increase_bound
from ratlp.experiments.results import METHODS, BoundCheck, Method, Theorem, TheoremCheck
from ratlp.experiments.setting import Setting
from ratlp.experiments.statistics import Summary
from ratlp.experiments.training import TrainedStack
from ratlp.experiments.trials import Trials
from ratlp.perturbations import LInf

ROUNDING = 1e-9
"""Slack for float64: losses are of order 1, computed in some 10 operations."""

STATEMENTS = {
    "paper": "increase <= eps, on the nets as trained",
    "paper_normalised": "increase <= eps, after rescaling the latent so that L_g = 1",
    "right_constants": "increase <= 2 * L_g * eps",
    "pairwise": "increase <= eps * max over j of ||w_y - w_j||_1",
}


@dataclass(frozen=True)
class _Net:
    """One net's test points: the loss's rise by the sign step; each bound, and the exact rise it bounds."""

    lipschitz: float
    sign_step: Tensor
    rises: dict[str, Tensor]
    bounds: dict[str, Tensor]

    @property
    def exact(self) -> Tensor:
        return self.rises["right_constants"]


def theorem(trials: Trials, setting: Setting) -> Theorem:
    """Check four bounds on all test points of the nets of both methods, in float64.

    Example:
        >>> from ratlp.data import Moons
        >>> found = theorem(Trials(Moons(n=50), range(2)), Setting(epochs=1))
        >>> found.n_points, found.violations
        (40, 0)
    """
    checks = tuple(_check(method, _nets(trials, setting, method)) for method in METHODS)

    def violations(name: str) -> int:
        return sum(b.violations for check in checks for b in check.bounds if b.name == name)

    return Theorem(
        eps=setting.eps,
        n_points=sum(check.n_points for check in checks),
        violations=violations("right_constants"),
        paper_violations=violations("paper"),
        methods=checks,
    )


def _nets(trials: Trials, setting: Setting, method: Method) -> list[_Net]:
    nets = []
    stacks = trials.stacks(setting, method)
    with trials.progress(f"theorem, {len(trials.seeds)} nets", len(trials.seeds)) as advance:
        for weight, bias, z, y in chain.from_iterable(map(_heads, stacks)):
            nets.append(_measure(weight, bias, z, y, setting.eps))
            advance()
    return nets


def _heads(stack: TrainedStack) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    with torch.no_grad():
        latents = stack.net.encoder(stack.x_test).double()
    weights, biases = (tensor.double() for tensor in stack.head)
    return zip(weights, biases, latents, stack.y_test, strict=True)


def _measure(weight: Tensor, bias: Tensor, z: Tensor, y: Tensor, eps: float) -> _Net:
    def losses(point: Tensor) -> Tensor:
        return cross_entropy(point @ weight.T + bias, y, reduction="none")

    lipschitz = float(linf_norm(weight))
    clean = losses(z)
    exact = exact_maximum(weight, bias, z, y, eps=eps) - clean
    # g'(z') = g(z' / L_g) has L_g' = 1; the ball of radius eps around z' = L_g z is one of radius eps / L_g
    # here. A head of zeros is constant, rescaled or not.
    normalised = exact_maximum(weight, bias, z, y, eps=eps / lipschitz if lipschitz else eps) - clean
    (delta,) = FGSM()(InnerProblem(lambda deltas: losses(z + deltas[0]), [z], [LInf(eps)]))
    paper = torch.full_like(clean, eps)
    return _Net(
        lipschitz=lipschitz,
        sign_step=losses(z + delta) - clean,
        rises={
            "paper": exact,
            "paper_normalised": normalised,
            "right_constants": exact,
            "pairwise": exact,
        },
        bounds={
            "paper": paper,
            "paper_normalised": paper,
            "right_constants": torch.full_like(clean, loss_increase_bound(lipschitz=lipschitz, eps=eps)),
            "pairwise": eps * pairwise_norm(weight, y),
        },
    )


def _check(method: Method, nets: list[_Net]) -> TheoremCheck:
    exact = torch.cat([net.exact for net in nets])
    sign_step = torch.cat([net.sign_step for net in nets])
    return TheoremCheck(
        method=method,
        n_points=len(exact),
        lipschitz=Summary.of([net.lipschitz for net in nets]),
        exact_increase=Summary.of([float(net.exact.mean()) for net in nets]),
        sign_step_increase=Summary.of([float(net.sign_step.mean()) for net in nets]),
        sign_step_exact=float((sign_step >= exact - ROUNDING).double().mean()),
        bounds=tuple(_bound_check(name, nets) for name in STATEMENTS),
    )


def _bound_check(name: str, nets: list[_Net]) -> BoundCheck:
    rise = torch.cat([net.rises[name] for net in nets])
    bound = torch.cat([net.bounds[name] for net in nets])
    tightness = torch.where(bound > 0, rise / bound, 1.0)  # no rise against a bound of 0 is tight
    return BoundCheck(
        name=name,
        statement=STATEMENTS[name],
        violations=int((rise > bound + ROUNDING).sum()),
        mean_tightness=float(tightness.mean()),
        max_tightness=float(tightness.max()),
    )
