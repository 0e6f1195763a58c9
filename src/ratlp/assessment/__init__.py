"""One model, or several, under all attacks at once: what the commands `ratlp evaluate` and `ratlp compare` do.

>>> from ratlp.assessment import Budget, Plan
>>> [attack.name for attack in Plan(("quick",), "l2", {"input": Budget((0.5,))}).suite()]
['fgsm', 'pgd', 'apgd-ce', 'apgd-dlr', 'square', 'noise']
"""

from ratlp.assessment.assess import Watch, assess, unwatched
from ratlp.assessment.assessment import Assessment, Certified
from ratlp.assessment.comparison import Difference, differences
from ratlp.assessment.journal import Journal
from ratlp.assessment.plan import Budget, Plan, chosen
from ratlp.assessment.views import Moved, Regions, Views, views

__all__ = [
    "Assessment",
    "Budget",
    "Certified",
    "Difference",
    "Journal",
    "Moved",
    "Plan",
    "Regions",
    "Views",
    "Watch",
    "assess",
    "chosen",
    "differences",
    "unwatched",
    "views",
]
