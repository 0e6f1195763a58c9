"""Guaranteed upper bounds of Lipschitz constants: a rule per layer, composed through a model's forward.

>>> from torch import nn
>>> from ratlp.bounds.lipschitz import lipschitz_bound
>>> round(lipschitz_bound(nn.Sequential(nn.Tanh(), nn.AvgPool2d(2)), norm="l2"), 9)
0.5
"""

from ratlp.bounds.lipschitz import activations, convolution, normalisation, pooling  # noqa: F401
from ratlp.bounds.lipschitz.bound import (
    LastLayer,
    LipschitzParts,
    last_layer,
    linear_head,
    lipschitz_bound,
    lipschitz_parts,
)
from ratlp.bounds.lipschitz.linear import spectral_norm
from ratlp.bounds.lipschitz.rules import lipschitz_rule, refused, weights_of

__all__ = [
    "LastLayer",
    "LipschitzParts",
    "last_layer",
    "linear_head",
    "lipschitz_bound",
    "lipschitz_parts",
    "lipschitz_rule",
    "refused",
    "spectral_norm",
    "weights_of",
]
