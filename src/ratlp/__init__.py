"""Robust training through latent perturbations, for PyTorch models.

>>> import torch
>>> from ratlp import RATLP
>>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
>>> objective = RATLP(model, layer="1", eps=0.1)
>>> loss = objective(torch.randn(64, 2), torch.randint(2, (64,))).loss
"""

from importlib.metadata import version

from ratlp.objective import RATLP, RATLPOutput

__all__ = ["RATLP", "RATLPOutput", "__version__"]

__version__ = version("ratlp")
