"""The paper's experiments, with statistics over many seeds.

>>> from ratlp.data import Moons
>>> from ratlp.experiments import Setting, reproduce
>>> found = reproduce(Moons(n=50), Setting(epochs=1), range(2), with_ablation=False)
>>> [(row.method, row.metric) for row in found.table1][:2]
[('standard', 'clean'), ('standard', 'input_fgsm')]
"""

from ratlp.experiments.reproduce import reproduce
from ratlp.experiments.results import (
    METHODS,
    METRICS,
    SCHEMA,
    AblationRow,
    Boundary,
    BoundCheck,
    Choices,
    Gain,
    Method,
    Metric,
    Reproduction,
    Search,
    SearchRow,
    TableRow,
    Theorem,
    TheoremCheck,
)
from ratlp.experiments.search import SearchSpace, check_searchable
from ratlp.experiments.setting import LARGE, Setting
from ratlp.experiments.statistics import Summary

__all__ = [
    "LARGE",
    "METHODS",
    "METRICS",
    "SCHEMA",
    "AblationRow",
    "BoundCheck",
    "Boundary",
    "Choices",
    "Gain",
    "Method",
    "Metric",
    "Reproduction",
    "Search",
    "SearchRow",
    "SearchSpace",
    "Setting",
    "Summary",
    "TableRow",
    "Theorem",
    "TheoremCheck",
    "check_searchable",
    "reproduce",
]
