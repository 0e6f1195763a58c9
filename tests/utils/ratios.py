"""The steepest that a map was found to be: a lower bound of its Lipschitz constant, by brute force."""

import torch


def size(t, norm):
    flat = t.reshape(len(t), -1)
    return flat.abs().amax(1) if norm == "linf" else flat.norm(dim=1)


@torch.no_grad()
def ratio(function, x, step, norm):
    """Max of ||f(x + step) - f(x)|| / ||step|| over a batch."""
    return float((size(function(x + step) - function(x), norm) / size(step, norm)).max())


def largest_ratio(function, shape, norm, *, pairs=3000, scale=3.0, points=8):
    """The largest ratio over random pairs, near and far, and over pairs that the Jacobian finds."""
    largest = 0.0
    for spread in (1e-3, 0.3, 3.0):
        x = scale * torch.randn(pairs // 3, *shape, dtype=torch.float64)
        step = spread * torch.randn_like(x)
        step = torch.where(torch.rand_like(x) < 0.5, step.sign() * spread, step) if norm == "linf" else step
        largest = max(largest, ratio(function, x, step, norm))
    for x in scale * torch.randn(points, 1, *shape, dtype=torch.float64):
        step = 1e-4 * _steepest(function, x, norm).unflatten(1, shape)
        largest = max(largest, ratio(function, x, step, norm))
    return largest


def _steepest(function, x, norm):
    """The steps that attain the Jacobian's norm at a point: `[steps, inputs]`."""
    jacobian = torch.autograd.functional.jacobian(function, x).reshape(-1, x.numel())
    if norm == "linf":
        return torch.where(jacobian < 0, -1.0, 1.0)  # a row's signs attain its L1 norm
    return torch.linalg.svd(jacobian, full_matrices=False).Vh[:1]
