"""How robust a classifier is, in input and latent space: attacks, accuracies, curves, distances.

>>> import torch
>>> from ratlp.evaluation import evaluate, quick_attacks
>>> from ratlp.perturbations import LInf
>>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
>>> x, y = torch.rand(50, 2), torch.randint(3, (50,))
>>> evaluation = evaluate(model, x, y, quick_attacks(LInf(0.1, bounds=(0, 1))))
>>> evaluation.worst_case.share <= evaluation.clean.share
True
"""

from ratlp.evaluation.accuracy import evaluate
from ratlp.evaluation.attack import Attack
from ratlp.evaluation.autoattack import AutoAttack
from ratlp.evaluation.curve import Curve, CurvePoint, robustness_curve
from ratlp.evaluation.distance import Distances, minimal_distances
from ratlp.evaluation.examples import Examples, adversarial_examples
from ratlp.evaluation.records import Record
from ratlp.evaluation.results import AttackResult, Check, ClassResult, Evaluation, Samples
from ratlp.evaluation.session import Options
from ratlp.evaluation.suites import quick_attacks, standard_attacks
from ratlp.evaluation.tally import Progress
from ratlp.proportions import Accuracy

__all__ = [
    "Accuracy",
    "Attack",
    "AttackResult",
    "AutoAttack",
    "Check",
    "ClassResult",
    "Curve",
    "CurvePoint",
    "Distances",
    "Evaluation",
    "Examples",
    "Options",
    "Progress",
    "Record",
    "Samples",
    "adversarial_examples",
    "evaluate",
    "minimal_distances",
    "quick_attacks",
    "robustness_curve",
    "standard_attacks",
]
