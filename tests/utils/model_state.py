"""What a model and the random generators must be again after something borrowed them."""

import torch


def state_of(model):
    """Modes, tensors, gradients, hooks and the random state: their values, and which objects hold them."""
    parameters, buffers = list(model.parameters()), list(model.buffers())
    return {
        "modes": [module.training for module in model.modules()],
        "hooks": [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()],
        "weights": [(id(p), p.requires_grad, p.detach().clone()) for p in parameters],
        "gradients": [None if p.grad is None else (id(p.grad), p.grad.clone()) for p in parameters],
        "buffers": [(id(buffer), buffer.clone()) for buffer in buffers],
        "random": torch.get_rng_state(),
    }


def same(one, other):
    """Whether two states, or parts of them, are the same, tensors to the bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other
