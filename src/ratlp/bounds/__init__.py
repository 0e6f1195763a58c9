"""Closed forms and bounds of what a perturbation can do to a net.

>>> import torch
>>> from ratlp.bounds import linf_norm
>>> linf_norm(torch.tensor([[1.0, -2.0], [0.5, 0.5]]))
tensor(3.)
"""

from ratlp.bounds.linear_head import exact_maximum, linf_norm, pairwise_norm

__all__ = ["exact_maximum", "linf_norm", "pairwise_norm"]
