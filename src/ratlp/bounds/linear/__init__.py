"""Linear (CROWN) bounds of a model's own forward.

The forward runs once on a tensor that records its calls and their interval bounds. Then linear functions of the logits
are passed back through the calls. A new function is one rule, registered with `@linear_rule`.

>>> import torch
>>> from ratlp.bounds import Interval, linear_margins
>>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
>>> x = torch.randn(5, 2)
>>> linear_margins(model, Interval(x - 0.1, x + 0.1), torch.tensor([0, 1, 2, 0, 1])).shape
torch.Size([5, 3])
"""

from ratlp.bounds.linear import affine, layers, relaxations  # noqa: F401
from ratlp.bounds.linear.affine import transposed
from ratlp.bounds.linear.ascent import SlopeAscent
from ratlp.bounds.linear.bounds import linear_bounds, linear_margins
from ratlp.bounds.linear.nodes import Affine, Lines, Relaxed
from ratlp.bounds.linear.regions import BoxRegion, L2Ball, Region
from ratlp.bounds.linear.rules import linear_rule

__all__ = [
    "Affine",
    "BoxRegion",
    "L2Ball",
    "Lines",
    "Region",
    "Relaxed",
    "SlopeAscent",
    "linear_bounds",
    "linear_margins",
    "linear_rule",
    "transposed",
]
