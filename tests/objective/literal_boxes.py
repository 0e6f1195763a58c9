"""Interval arithmetic layer by layer, and the training steps on it: the slow, obvious twins."""

import torch
from torch import nn
from torch.nn.functional import conv2d, cross_entropy, dropout, linear, one_hot


class Residual(nn.Module):
    """x + inner(x)."""

    def __init__(self, *inner):
        super().__init__()
        self.inner = nn.Sequential(*inner)

    def forward(self, x):
        return x + self.inner(x)


def input_box(x, eps, bounds):
    return (x - eps).clamp(*bounds), (x + eps).clamp(*bounds)


def walk(modules, z, lower, upper, *, attached=True):
    """The clean latent and its box after the modules: every layer by hand, dropout with one mask for all three."""
    for module in modules:
        if isinstance(module, nn.Linear | nn.Conv2d):
            centre, radius = (lower + upper) / 2, (upper - lower) / 2
            z = module(z)
            centre = apply(module, centre, module.weight, module.bias)
            radius = apply(module, radius, module.weight.abs(), None)
            lower, upper = centre - radius, centre + radius
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            axes = [0, *range(2, z.dim())]
            mean, variance = module.running_mean, module.running_var
            if module.training:
                mean, variance = z.mean(axes), z.var(axes, correction=0)
            if not attached:
                mean, variance = mean.detach(), variance.detach()
            z, one, other = (normalised(module, t, mean, variance) for t in (z, lower, upper))
            lower, upper = torch.minimum(one, other), torch.maximum(one, other)
        elif isinstance(module, nn.Dropout):
            if module.training:
                mask = dropout(torch.ones_like(z), module.p)
                z, lower, upper = z * mask, lower * mask, upper * mask
        elif isinstance(module, Residual):
            inner = walk(module.inner, z, lower, upper, attached=attached)
            z, lower, upper = z + inner[0], lower + inner[1], upper + inner[2]
        else:  # rising in each coordinate, or a change of shape
            z, lower, upper = module(z), module(lower), module(upper)
    return z, lower, upper


def apply(module, x, weight, bias):
    if isinstance(module, nn.Linear):
        return linear(x, weight, bias)
    return conv2d(x, weight, bias, module.stride, module.padding)


def normalised(module, x, mean, variance):
    shape = (-1, *[1] * (x.dim() - 2))
    out = (x - mean.view(shape)) / (variance.view(shape) + module.eps).sqrt()
    return out * module.weight.view(shape) + module.bias.view(shape)


def cut(model, layer):
    """F and g: the model up to the layer and the rest."""
    k = 0 if layer == "input" else int(layer) + 1
    return model[:k], model[k:]


def propagated_loss(f, g, x, y, *, eps, weight, bounds=(0.0, 1.0), steps=1, step_size=None):
    """CE(g(z), y) + weight * CE(g(z'), y); z' by the sign step, or by PGD from z with steps of half widths."""
    z, lower, upper = walk(f, x, *input_box(x, eps, bounds))
    if not z.requires_grad:  # f is frozen
        z = z.detach().requires_grad_()
    clean = cross_entropy(g(z), y)
    (gradient,) = torch.autograd.grad(clean, z, retain_graph=True)
    if step_size is None:
        at, steps = torch.where(gradient > 0, upper, torch.where(gradient < 0, lower, z)).detach(), 0
    else:
        at = z.detach()
    for step in range(steps):
        if step > 0:
            at = at.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(cross_entropy(g(at), y), at)
        at = at.detach() + step_size * (upper - lower).detach() / 2 * gradient.sign()
        at = torch.maximum(torch.minimum(at, upper.detach()), lower.detach())
    return clean + weight * cross_entropy(g(in_place(at, lower, upper)), y)


def in_place(at, lower, upper):
    """The point at that place between the edges, which carry the gradients."""
    width = (upper - lower).detach()
    place = torch.where(width == 0, 0.0, (at - lower.detach()) / width)
    return lower + place * (upper - lower)


def interval_loss(modules, x, y, *, eps, weight, bounds=(0.0, 1.0)):
    """CE(clean) + weight * CE of the worst logits; the last layer's rows are subtracted before they are bounded."""
    z, lower, upper = walk(modules[:-1], x, *input_box(x, eps, bounds))
    last = modules[-1]
    centre, radius = (lower + upper) / 2, (upper - lower) / 2
    clean = cross_entropy(last(z), y)
    worst = []
    for i, label in enumerate(y.tolist()):
        rows, shifts = last.weight - last.weight[label], last.bias - last.bias[label]
        worst.append(rows @ centre[i] + rows.abs() @ radius[i] + shifts)
    return clean + weight * cross_entropy(torch.stack(worst), y)


def plain_interval_loss(logits_lower, logits_upper, y):
    """The looser bound: the class's own logit at its lowest, every other at its highest."""
    own = one_hot(y, logits_lower.shape[1]).bool()
    return cross_entropy(torch.where(own, logits_lower, logits_upper), y)
