"""One batch after its clean pass: what was found of it, and the passes through g that follow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from ratlp.latent import Cut, Recording
from ratlp.latent.replay import Tap
from ratlp.objective.adversarial_pass import AdversarialPass
from ratlp.objective.conditions import Conditions
from ratlp.objective.early_backward import CleanPass
from ratlp.objective.propagation import Propagation
from ratlp.perturbations import Perturbation, PerturbationSet


@dataclass(frozen=True)
class CleanBatch:
    """A batch that has been encoded, and run through g as it is.

    Attributes:
        cut: The model, cut at the layers.
        inputs: The batch.
        recording: What f left, with the cut's latent.
        taps: The names of the layers after the cut.
        clean: The pass through g.
        at_input: The conditions of the pass from the input on.
        at_latent: Those from the cut's latent on.
    """

    cut: Cut
    inputs: Any
    recording: Recording
    taps: tuple[str, ...]
    clean: CleanPass
    at_input: Conditions
    at_latent: Conditions

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers' names, the cut first."""
        return self.recording.name, *self.taps

    def sets(self, perturbations: Mapping[str, Perturbation]) -> list[PerturbationSet]:
        """The set of each layer at this batch's latents."""
        reach = Propagation(self.cut, self.inputs, self.layers, self.at_input)
        return [perturbations[name].within(reach.to(name)) for name in self.layers]

    @cached_property
    def masks(self) -> list[Tensor | None]:
        """What may be moved of each layer's latent: not padding; None for all of it."""
        return [_mask(self.inputs, point) for point in self.clean.points]

    def logits(self, moves: Sequence[Tap], policy: AdversarialPass, *, final: bool = False) -> Tensor:
        """The logits with each layer's latent moved; `final` for the pass that is trained on."""
        with self.at_latent.of_points(policy, final=final):
            return self._replay(moves)

    def bounds(self, latent: Tensor) -> Tensor:
        """The bounds of the logits with an interval in place of the cut's latent."""
        with self.at_latent.of_intervals():
            return self._replay([lambda _: latent])

    def _replay(self, moves: Sequence[Tap]) -> Tensor:
        moved = self.recording.with_latent(moves[0](self.recording.latent))
        return self.cut.replay(moved, taps=dict(zip(self.taps, moves[1:], strict=True)))


def _mask(inputs: Any, point: Tensor) -> Tensor | None:
    """Where a token latent `[batch, tokens, ...]` is not padding; None where there is no attention mask for it."""
    mask = inputs.get("attention_mask") if isinstance(inputs, Mapping) else None
    if not isinstance(mask, Tensor) or mask.dim() != 2 or point.dim() < 3 or mask.shape != point.shape[:2]:
        return None
    return mask.bool().view(*mask.shape, *[1] * (point.dim() - 2))
