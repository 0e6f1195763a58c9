"""The training objective: an `nn.Module` that takes a batch and returns the loss.

>>> import torch
>>> from ratlp import RATLP
>>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
>>> objective = RATLP(model, layer="1", eps=0.1, weight=1.0)
>>> out = objective(torch.randn(16, 2), torch.randint(3, (16,)))
>>> out.loss.backward()
"""

from ratlp.objective.adversarial_pass import AdversarialPass
from ratlp.objective.rat_lp import RATLP, RATLPOutput
from ratlp.objective.schedule import LinearRamp, Ramp, Schedule, SmoothRamp

__all__ = ["AdversarialPass", "LinearRamp", "RATLP", "RATLPOutput", "Ramp", "Schedule", "SmoothRamp"]
