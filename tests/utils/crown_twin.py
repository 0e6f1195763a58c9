"""CROWN for fully connected ReLU nets, written down from arXiv 1811.00866 with loops over samples and neurons."""

import torch
from torch import nn


def crown(net, lower, upper, *, tighten=True):
    """Bounds `[batch, classes]` of each sample's logits; also within interval bounds at each layer.

    net is a Sequential of Linear and ReLU in turn, ending in Linear.
    """
    found = [_crown_of_one(net, *ends, tighten) for ends in zip(lower, upper, strict=True)]
    return torch.stack([low for low, _ in found]), torch.stack([high for _, high in found])


def _crown_of_one(net, lower, upper, tighten):
    layers = [(m.weight.detach(), m.bias.detach()) for m in net if isinstance(m, nn.Linear)]
    between = []  # the bounds of each ReLU's input
    box = lower, upper
    for depth in range(len(layers)):
        weight, bias = layers[depth]
        centre, radius = (box[0] + box[1]) / 2, (box[1] - box[0]) / 2
        by_interval = [weight @ centre + bias + sign * (weight.abs() @ radius) for sign in (-1, 1)]
        if tighten or depth == len(layers) - 1:
            by_line = _bounds_of_layer(layers[: depth + 1], between, lower, upper)
            low, high = torch.maximum(by_interval[0], by_line[0]), torch.minimum(by_interval[1], by_line[1])
        else:
            low, high = by_interval
        between.append((low, high))
        box = by_interval[0].clamp(min=0), by_interval[1].clamp(min=0)
    return between[-1]


def _bounds_of_layer(layers, between, lower, upper):
    rows = len(layers[-1][1])
    low = [_least(torch.eye(rows, dtype=lower.dtype)[i], layers, between, lower, upper) for i in range(rows)]
    high = [-_least(-torch.eye(rows, dtype=lower.dtype)[i], layers, between, lower, upper) for i in range(rows)]
    return torch.stack(low), torch.stack(high)


def _least(row, layers, between, lower, upper):
    """The least value of row . (the last layer's output)."""
    constant = 0.0
    for depth in reversed(range(len(layers))):
        weight, bias = layers[depth]
        constant += row @ bias
        row = row @ weight
        if depth == 0:
            break
        low, high = between[depth - 1]
        row = row.clone()
        for i in range(len(row)):
            a, low_i, high_i = float(row[i]), float(low[i]), float(high[i])
            if high_i <= 0:
                row[i] = 0
            elif low_i < 0 and a >= 0:
                row[i] = a if high_i > -low_i else 0
            elif low_i < 0:
                slope = high_i / (high_i - low_i)
                row[i] = a * slope
                constant += -a * slope * low_i
    return constant + sum(float(a) * float(lower[i] if a > 0 else upper[i]) for i, a in enumerate(row))
