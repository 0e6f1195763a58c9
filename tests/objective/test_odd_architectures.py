"""Every layer of every odd architecture against the literal Algorithm 1 on the whole model."""

import pytest
from utils.architecture import build, cuts
from utils.architectures import PLAIN
from utils.literal import assert_buffers_equal, assert_gradients_match, literal_step
from utils.transformers_models import TRANSFORMERS

from ratlp import RATLP
from ratlp.errors import LayerError

CUTS = {case.id: case for case in cuts(PLAIN + TRANSFORMERS)}

INSIDE_A_CHECKPOINT = [
    "checkpointed-blocks.1.0",
    "checkpointed-blocks.1.1",
    "checkpointed-blocks.2.2",
    "checkpointed_batchnorm-blocks.1.0",
    "checkpointed_batchnorm-blocks.1.1",
    "checkpointed_batchnorm-blocks.2.2",
    "bert_checkpointed-bert.encoder.layer.0.attention",
    "bert_checkpointed-bert.encoder.layer.0.intermediate",
]
# Hooks that store features, and state that the end of a forward clears.
UNSUPPORTED = {
    "forward_by_name-layer": LayerError,  # a module called by its forward's name moves statistics in each pass
    "forward_by_name-head": LayerError,
    "features_by_hooks-encoder.1": RuntimeError,
    "features_by_hooks-encoder.2": RuntimeError,
    "features_by_hooks-encoder.3": RuntimeError,
    "features_by_hooks-encoder": RuntimeError,
    "state_cleared_at_the_end-stages.1.linear": RuntimeError,
    "state_cleared_at_the_end-stages.1": RuntimeError,
    "state_cleared_at_the_end-head": RuntimeError,
    # In eval mode with frozen weights torch's fused encoder layer calls none of its modules.
    "transformer_encoder_frozen-encoder.layers.1.linear1": LayerError,
}
SUPPORTED = [name for name in CUTS if name not in [*INSIDE_A_CHECKPOINT, *UNSUPPORTED]]


def step(architecture, layer):
    model, inputs, y = build(architecture)
    out = RATLP(model, layer=layer, eps=0.1, weight=0.7)(inputs, y)
    out.loss.backward()
    return model, out


@pytest.mark.parametrize("name", SUPPORTED)
def test_loss_gradients_and_statistics(name):
    architecture, layer = CUTS[name].values
    twin, inputs, y = build(architecture)
    loss, gradients = literal_step(twin, inputs, y, layer=layer, eps=0.1, weight=0.7)
    model, out = step(architecture, layer)
    assert out.loss.item() == pytest.approx(loss.item(), rel=1e-9)
    assert_gradients_match(model, gradients)
    if architecture.name != "checkpointed_batchnorm":  # a checkpoint moves them again when it runs a block again
        assert_buffers_equal(model, twin)


@pytest.mark.parametrize("name", INSIDE_A_CHECKPOINT)
def test_inside_an_activation_checkpoint_is_refused(name):
    with pytest.raises(LayerError, match="must not lie inside an activation checkpoint"):
        step(*CUTS[name].values)


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_cannot_be_replayed_fails_loudly(name):
    with pytest.raises(UNSUPPORTED[name]):
        step(*CUTS[name].values)
