"""What a perturbation of the input can reach at each layer, by intervals through the model's own forward."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from torch import Tensor

from ratlp.bounds.interval import Interval, ends
from ratlp.errors import InputError
from ratlp.latent import Cut
from ratlp.latent.batch import described, first_input
from ratlp.latent.trees import swapped
from ratlp.objective.conditions import Conditions
from ratlp.perturbations import PerturbationSet
from ratlp.perturbations.base import Edges


class _AllSeen(BaseException):
    """Stops a replay at the last tap; a BaseException, so that no `except Exception` in a model holds it."""


class Propagation:
    """Pushes sets around a batch's input to the layers of a cut.

    Args:
        cut: The model, cut at the layers.
        inputs: The batch; the first tensor in it is perturbed.
        order: The layers' names, the cut first.
        conditions: Those of the clean pass.
    """

    def __init__(self, cut: Cut, inputs: Any, order: tuple[str, ...], conditions: Conditions) -> None:
        self._cut = cut
        self._inputs = inputs
        self._order = order
        self._conditions = conditions
        self._found: dict[PerturbationSet, dict[str, Edges]] = {}

    def to(self, name: str) -> Callable[[PerturbationSet], Edges]:
        """Maps a set around the input to bounds of the latent of that layer."""

        def reach(ball: PerturbationSet) -> Edges:
            if ball not in self._found:
                self._found[ball] = self._push(ball)
            return self._found[ball][name]

        return reach

    def _push(self, ball: PerturbationSet) -> dict[str, Edges]:
        """The edges at every layer, in one pass."""
        seen: dict[str, Edges] = {}

        def see(name: str) -> Callable[[Tensor], Tensor]:
            def tap(latent: Tensor) -> Tensor:
                seen[name] = ends(latent)
                if len(seen) == len(self._order):
                    raise _AllSeen
                return latent

            return tap

        with self._conditions.of_intervals():
            recording = self._cut.encode(_widened(self._inputs, ball))
            seen[self._order[0]] = ends(recording.latent)
            if len(self._order) > 1:
                with suppress(_AllSeen):
                    self._cut.replay(recording, taps={name: see(name) for name in self._order[1:]})
        return seen


def _widened(inputs: Any, ball: PerturbationSet) -> Any:
    """The inputs with an interval in place of the tensor that is perturbed."""
    found = first_input(inputs)
    if found is None or not found.is_floating_point():
        raise InputError(
            f"a propagated budget needs an input that begins with a floating tensor; found {described(found)}: "
            "use a budget relative to the embeddings, such as L2(eps, per='token', relative_to=rms_per_token)"
        )
    return swapped(inputs, found, Interval(*ball.edges(found)))
