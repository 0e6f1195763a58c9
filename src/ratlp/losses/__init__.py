"""What is minimised, and what the inner maximiser climbs.

>>> import torch
>>> from ratlp import RATLP
>>> from ratlp.losses import TRADES
>>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
>>> objective = RATLP(model, layer="1", eps=0.1, weight=6.0, loss=TRADES())
>>> out = objective(torch.randn(16, 2), torch.randint(3, (16,)))
"""

from ratlp.losses.base import Loss
from ratlp.losses.cross_entropy import AdversarialOnly, CrossEntropy
from ratlp.losses.custom import CustomLoss
from ratlp.losses.dlr import dlr, targeted_dlr
from ratlp.losses.margin import log_odds, margin
from ratlp.losses.trades import TRADES

__all__ = [
    "TRADES",
    "AdversarialOnly",
    "CrossEntropy",
    "CustomLoss",
    "Loss",
    "dlr",
    "log_odds",
    "margin",
    "targeted_dlr",
]
