"""Robust training through latent perturbations, for PyTorch models.

>>> import torch
>>> from ratlp import RATLP
>>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
>>> objective = RATLP(model, layer="1", eps=0.1)
>>> loss = objective(torch.randn(64, 2), torch.randint(2, (64,))).loss
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ratlp.models import load, save
    from ratlp.objective import RATLP, RATLPOutput
else:

    def __getattr__(name):
        # torch takes seconds to import, and the command must answer Ctrl-C meanwhile: it comes with the first
        # use of a name that needs it.
        if name in _HOMES:
            return getattr(import_module(_HOMES[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_HOMES = {
    "RATLP": "ratlp.objective",
    "RATLPOutput": "ratlp.objective",
    "load": "ratlp.models",
    "save": "ratlp.models",
}

__all__ = ["RATLP", "RATLPOutput", "load", "save", "__version__"]

__version__ = version("ratlp")
