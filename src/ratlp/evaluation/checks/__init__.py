"""Self-checks: what would make robust accuracies too high, looked for in the model and in the attacks on it.

>>> import torch
>>> from ratlp.evaluation import quick_attacks
>>> from ratlp.evaluation.checks import run_checks, trusted
>>> from ratlp.perturbations import LInf
>>> model, x = torch.nn.Linear(2, 3), torch.rand(60, 2)
>>> y = model(x).argmax(1)
>>> checks = run_checks(model, x, y, quick_attacks(LInf(0.01, bounds=(0, 1))))
>>> trusted(checks)
True
"""

from ratlp.evaluation.checks.base import SelfCheck
from ratlp.evaluation.checks.case import Case
from ratlp.evaluation.checks.outcome import DISTRUST, Measured, NotRun, Verdict
from ratlp.evaluation.checks.run import run_checks, self_checks, trusted, warning

__all__ = [
    "DISTRUST",
    "Case",
    "Measured",
    "NotRun",
    "SelfCheck",
    "Verdict",
    "run_checks",
    "self_checks",
    "trusted",
    "warning",
]
