"""Algorithm 1 of the paper, word for word: the slow, obvious twin of the objective."""

import torch
from torch.nn.functional import cross_entropy


def literal_loss(f, g, x, y, *, eps, weight):
    z = f(x)
    if not z.requires_grad:  # f is frozen
        z.requires_grad_()
    clean = cross_entropy(g(z), y)
    (gradient,) = torch.autograd.grad(clean, z, retain_graph=True)
    delta = eps * gradient.sign()
    adversarial = cross_entropy(g(z + delta), y)
    return clean + weight * adversarial


def gradients(loss, parameters):
    """The gradients of `loss`, zeros where a parameter is not used."""
    parameters = [p for p in parameters if p.requires_grad]
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]


def assert_same(actual, expected, *, relative):
    for a, e in zip(actual, expected, strict=True):
        scale = e.abs().max().clamp(min=1e-300)
        assert ((a - e).abs().max() / scale) <= relative
