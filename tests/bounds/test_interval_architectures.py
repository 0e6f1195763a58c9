"""Architectures as people write them: their bounds hold, or an error says what has none."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map
from utils.architectures import PLAIN, build, logits_of, run
from utils.transformers_models import TRANSFORMERS

from ratlp.bounds import Interval
from ratlp.errors import BoundError

EPS = 1e-3
WITHOUT_BOUNDS = {
    "mixture_of_experts",  # which expert is taken depends on the point
    "own_statistics",  # changes a buffer by the batch's mean
    "recurrent",
    "packed_sequence",
}


def embedding_of(model: nn.Module) -> nn.Module | None:
    return next((module for module in model.modules() if isinstance(module, nn.Embedding)), None)


def moved(model: nn.Module, inputs, move):
    """The output where `move` replaces the floating inputs or, of tokens, what their embedding gives."""
    embedding = embedding_of(model)
    if embedding is None:
        inputs = tree_map(lambda x: move(x) if isinstance(x, Tensor) and x.is_floating_point() else x, inputs)
        return logits_of(run(model, inputs))
    hook = embedding.register_forward_hook(lambda module, args, output: move(output))
    try:
        return logits_of(run(model, inputs))
    finally:
        hook.remove()


@pytest.mark.parametrize("architecture", [*PLAIN, *TRANSFORMERS], ids=lambda a: a.name)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_bounds_hold_or_are_refused(architecture):
    model, inputs, _ = build(architecture)
    model.eval().requires_grad_(False)
    try:
        box = moved(model, inputs, lambda x: Interval(x - EPS, x + EPS))
    except BoundError:
        assert architecture.name in WITHOUT_BOUNDS
        return
    assert architecture.name not in WITHOUT_BOUNDS
    assert isinstance(box, Interval)
    assert (box.radius > 0).any()
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)

        def vertex(x, generator=generator):
            return x + EPS * torch.randn(x.shape, generator=generator).sign().to(x.dtype)

        values = moved(model, inputs, vertex)
        assert (box.lower - 1e-9 <= values).all()
        assert (values <= box.upper + 1e-9).all()
