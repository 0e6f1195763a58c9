"""The first batch, run twice more: does encode and replay compute what the model computes?

Most models do. What does not survive a replay (side results that hooks collect, random numbers or state in code
between modules, memory shared between outputs) shows in the logits, in the buffers or in the gradients, and is
refused before anything is trained on it.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ratlp.errors import LayerError
from ratlp.latent.batch import call_model, logits_of
from ratlp.latent.buffers import Buffer, buffers_held
from ratlp.latent.parameters import is_sharded, without_hooks
from ratlp.latent.trees import map_tensors, tensors

_TOLERANCE = {torch.float64: 1e-7, torch.float32: 1e-3}


class Rehearsal:
    """Runs of one batch that leave buffers and random state as they were, each from the same beginning.

    Args:
        model: The model.
        inputs: The batch; every run gets a copy.
    """

    def __init__(self, model: nn.Module, inputs: Any) -> None:
        self._model = model
        self._inputs = inputs
        self._devices = list({t.device for t in tensors(inputs) if t.device.type == "cuda"})
        self._moved: set[Buffer] = set()

    def compare(self, replayed: Callable[[Any], Tensor]) -> set[Buffer]:
        """Hold `replayed`, a function from inputs to logits, against the model itself.

        Returns:
            The buffers that the model moves.

        Raises:
            LayerError: The two differ.
        """
        plain = self._run(lambda inputs: logits_of(call_model(self._model, inputs)))
        again = self._run(replayed)
        for (name, expected), (_, found) in zip(plain.items(), again.items(), strict=True):
            if not _close(found, expected):
                raise LayerError(
                    "encoding up to the layer and replaying the rest must compute what the model computes; on "
                    f"the first batch its {name} differ: code between its modules draws random numbers, keeps "
                    "or collects state, or changes shared memory (docs/latent.md): choose another layer"
                )
        return self._moved

    def run(self, function: Callable[[Any], Any]) -> Any:
        """The result of `function` on a copy of the inputs; buffers and random state are put back."""
        with buffers_held(self._model), torch.random.fork_rng(devices=self._devices):
            return function(map_tensors(torch.clone, self._inputs))

    def _run(self, function: Callable[[Any], Tensor]) -> dict[str, list[Tensor]]:
        """The logits, the buffers after them, and fingerprints of the parameters' gradients."""
        before = dict(_buffers(self._model))

        def measured(inputs: Any) -> dict[str, list[Tensor]]:
            logits = function(inputs)
            after = dict(_buffers(self._model))
            self._moved |= {key for key in before if not torch.equal(before[key], after[key])}
            buffers = [buffer.detach().clone() for buffer in after.values()]
            return {
                "logits": [logits.detach()],
                "buffers": buffers,
                "gradients": self._gradients(logits),
            }

        return self.run(measured)  # type: ignore[no-any-return]

    def _gradients(self, logits: Tensor) -> list[Tensor]:
        """Length and sum of each parameter's gradient: no second copy of all gradients is kept."""
        trained = [p for p in self._model.parameters() if p.requires_grad]
        if not logits.requires_grad or not trained or is_sharded(self._model):
            return []
        # A fixed cotangent, without a draw.
        weights = torch.arange(logits.numel(), device=logits.device).cos().view_as(logits).to(logits.dtype)
        with without_hooks(trained):
            found = torch.autograd.grad(logits, trained, weights, allow_unused=True)
        dense = [g.to_dense() if g is not None and g.is_sparse else g for g in found]
        marks = [
            p.new_zeros(2) if g is None else torch.stack([torch.linalg.vector_norm(g), g.sum()])
            for p, g in zip(trained, dense, strict=True)
        ]
        return [torch.cat([mark.to(logits.device) for mark in marks])]


def _buffers(model: nn.Module) -> list[tuple[Buffer, Tensor]]:
    return [
        ((module, name), buffer) for module in model.modules() for name, buffer in module.named_buffers(recurse=False)
    ]


def _close(found: list[Tensor], expected: list[Tensor]) -> bool:
    return len(found) == len(expected) and all(map(_same, found, expected))


def _same(found: Tensor, expected: Tensor) -> bool:
    if found.shape != expected.shape:
        return False
    if not found.is_floating_point():
        return bool(torch.equal(found, expected))
    scale = expected.abs().max() if expected.numel() else expected.new_zeros(())
    if not scale.isfinite():  # such a batch tells nothing
        return True
    tolerance = _TOLERANCE.get(expected.dtype, 0.05)
    return bool(((found - expected).abs() <= tolerance * scale + torch.finfo(expected.dtype).tiny).all())
