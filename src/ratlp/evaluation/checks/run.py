"""All checks on one model."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from ratlp.attacks import seeded
from ratlp.evaluation.attack import Attack
from ratlp.evaluation.checks.base import SelfCheck
from ratlp.evaluation.checks.batch_mates import BatchMates
from ratlp.evaluation.checks.black_box import BlackBox
from ratlp.evaluation.checks.case import Case
from ratlp.evaluation.checks.converged import Converged
from ratlp.evaluation.checks.monotone import Monotone
from ratlp.evaluation.checks.outcome import DISTRUST
from ratlp.evaluation.checks.precision import Precision
from ratlp.evaluation.checks.randomised import Randomised
from ratlp.evaluation.checks.saturation import Saturation
from ratlp.evaluation.checks.scale_escape import ScaleEscape
from ratlp.evaluation.checks.single_step import SingleStep
from ratlp.evaluation.checks.softmax_output import SoftmaxOutput
from ratlp.evaluation.checks.training_mode import TrainingMode
from ratlp.evaluation.checks.transfer import Transfer
from ratlp.evaluation.checks.unbounded import Unbounded
from ratlp.evaluation.checks.zero_gradients import ZeroGradients
from ratlp.evaluation.inputs import check_inputs
from ratlp.evaluation.results import Check
from ratlp.latent.on_loan import on_loan
from ratlp.latent.trees import tensors


def self_checks(*, surrogate: nn.Module | None = None) -> tuple[SelfCheck, ...]:
    """All checks, those of the model first.

    Args:
        surrogate: Another model, for the check of transfer; a small net is trained where it is not given.

    Example:
        >>> [check.name for check in self_checks() if check.of == "model"]
        ['softmax outputs', 'training mode', 'randomised forward', 'batch mates']
    """
    return (
        SoftmaxOutput(),
        TrainingMode(),
        Randomised(),
        BatchMates(),
        ZeroGradients(),
        Saturation(),
        Precision(),
        SingleStep(),
        Converged(),
        BlackBox(),
        Transfer(surrogate),
        Monotone(),
        Unbounded(),
        ScaleEscape(),
    )


def run_checks(
    model: nn.Module,
    x: Any,
    y: Tensor,
    attacks: Sequence[Attack],
    *,
    checks: Iterable[SelfCheck] | None = None,
    seed: int = 0,
) -> tuple[Check, ...]:
    """Look for what would make robust accuracies too high: in the model, and in the attacks on it.

    The attacks are parted by place, that is by layer and set; properties of the model are checked once, those of the
    attacks at every place. A hundred to two hundred samples are enough: the tests are exact for any number, and their
    power grows with it. The model and torch's random state stay as they are, also on error.

    Args:
        model: As `evaluate` takes it.
        x: Inputs, `[n, *features]`, or a tuple or mapping of tensors.
        y: Labels, `[n]`, int64.
        attacks: Those whose numbers are to be trusted.
        checks: Those of `self_checks`, unless given.
        seed: Of all that is drawn.

    Returns:
        One result for each check and place; where there are several places, each names its own.

    Raises:
        InputError: Inputs, labels or logits break a rule.
        LayerError: A layer cannot serve as a latent.

    Example:
        >>> import torch
        >>> from ratlp.evaluation.suites import quick_attacks
        >>> from ratlp.perturbations import LInf
        >>> class Quantised(nn.Linear):
        ...     def forward(self, x):
        ...         return super().forward((16 * x).round() / 16)
        >>> net, x = Quantised(4, 3), torch.rand(40, 4)
        >>> checks = run_checks(net, x, net(x).argmax(1), quick_attacks(LInf(0.05, bounds=(0, 1))))
        >>> [check.name for check in checks if check.verdict == "do not trust"][0], trusted(checks)
        ('zero gradients', False)
    """
    check_inputs(x, y, attacks)
    checks = tuple(self_checks() if checks is None else checks)
    places: dict[str, list[Attack]] = {}
    for attack in attacks:
        places.setdefault(f"{attack.perturbation!r} at {attack.layer!r}", []).append(attack)
    with on_loan(model), seeded(seed, next(tensors(x))):
        cases = {place: Case(model, x, y, found, seed=seed) for place, found in places.items()}
        return tuple(_results(checks, cases))


def _results(checks: Sequence[SelfCheck], cases: Mapping[str, Case]) -> Iterator[Check]:
    closed = ""
    for check in checks:
        if check.of == "model":
            result = check(next(iter(cases.values())))
            if check.gate and result.verdict == DISTRUST:
                closed = f"{check.name!r} says {DISTRUST!r}"
            yield result
    for place, case in cases.items():
        for check in checks:
            if check.of == "attack" and check.applies(case):
                result = check.not_run(closed) if closed else check(case)
                yield result if len(cases) == 1 else replace(result, name=f"{result.name}: {place}")


def trusted(checks: Iterable[Check]) -> bool:
    """Whether no check says "do not trust".

    Example:
        >>> trusted([Check("zero gradients", 0.0, "...", "pass"), Check("precision", None, "...", "not run")])
        True
    """
    return all(check.verdict != DISTRUST for check in checks)


def warning(checks: Iterable[Check]) -> str:
    """What to say, loudly, where the numbers are not to be trusted; empty where they are.

    Example:
        >>> print(warning([Check("zero gradients", 1.0, "the gradient is 0 for no more than 5 %", "do not trust")]))
        DO NOT TRUST these robust accuracies: they may be far too high. 1 self-check fails:
          zero gradients: found 1, the rule: the gradient is 0 for no more than 5 %
    """
    broken = [check for check in checks if check.verdict == DISTRUST]
    if not broken:
        return ""
    fail = "self-check fails" if len(broken) == 1 else "self-checks fail"
    head = f"DO NOT TRUST these robust accuracies: they may be far too high. {len(broken)} {fail}:"
    return "\n".join([head, *(f"  {check.name}: found {check.value:.3g}, the rule: {check.rule}" for check in broken)])
