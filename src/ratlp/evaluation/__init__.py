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
from ratlp.evaluation.records import Record
from ratlp.evaluation.results import Accuracy, AttackResult, Check, ClassResult, Evaluation, Samples
from ratlp.evaluation.suites import perturbation_set, quick_attacks, standard_attacks
from ratlp.evaluation.tally import Progress

__all__ = [
    "Accuracy",
    "Attack",
    "AttackResult",
    "Check",
    "ClassResult",
    "Evaluation",
    "Progress",
    "Record",
    "Samples",
    "evaluate",
    "perturbation_set",
    "quick_attacks",
    "standard_attacks",
]
