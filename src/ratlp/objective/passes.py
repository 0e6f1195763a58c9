"""The passes of one batch after the clean one: under which conditions, and through g at other latents."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn

from ratlp.bounds.interval import Statistics, supplied
from ratlp.errors import BoundError
from ratlp.latent import Cut, Recording
from ratlp.latent.buffers import Buffer
from ratlp.latent.calls import is_compiled, outside_compiled_code, stepping_in
from ratlp.latent.parameters import is_sharded
from ratlp.objective.adversarial_pass import AdversarialPass, RandomState

Move = Callable[[Tensor], Tensor]
"""What a layer returns in place of its latent, as a function of it."""


@dataclass(frozen=True)
class Conditions:
    """What the clean pass left behind for those after it.

    Attributes:
        model: The model.
        moved: The buffers that the clean pass changed.
        state: The random state before it.
        statistics: Those of the clean batch from that moment on, by which BatchNorm normalises intervals.
    """

    model: nn.Module
    moved: set[Buffer]
    state: RandomState
    statistics: Sequence[Statistics]

    @contextmanager
    def of_intervals(self) -> Iterator[None]:
        """The context of a pass of intervals: the clean batch's statistics and dropout masks, no compiled code.

        What comes out contains the clean pass's own values.

        Raises:
            BoundError: Parameters are sharded: they stand only while their module runs on ordinary tensors.
        """
        if is_sharded(self.model):
            raise BoundError(
                "bounds need whole parameters; found some that fully_shard has sharded: use DistributedDataParallel, "
                "or a budget on the latent, such as LInf, with a maximiser"
            )
        compiled = {module: outside_compiled_code(None) for module in self.model.modules() if is_compiled(module)}
        as_clean = AdversarialPass(same_dropout=True)
        with (
            supplied(self.statistics),
            stepping_in(compiled),
            as_clean.around(self.model, self.moved, self.state, final=False),
        ):
            yield


@dataclass(frozen=True)
class Passes:
    """Runs g on a recorded batch at latents of the caller's choice.

    Attributes:
        cut: The model, cut at the layers.
        recording: The clean batch.
        taps: The names of the layers after the cut.
        policy: How dropout and running statistics are treated at points.
        conditions: Those of the clean pass.
    """

    cut: Cut
    recording: Recording
    taps: tuple[str, ...]
    policy: AdversarialPass
    conditions: Conditions

    def logits(self, moves: Sequence[Move], *, final: bool = False) -> Tensor:
        """The logits with each layer's latent moved; `final` for the pass that is trained on."""
        with self.policy.around(self.cut.model, self.conditions.moved, self.conditions.state, final=final):
            return self._replay(moves)

    def of_intervals(self, latent: Tensor) -> Tensor:
        """The bounds of the logits with an interval in place of the cut's latent."""
        with self.conditions.of_intervals():
            return self._replay([lambda _: latent])

    def _replay(self, moves: Sequence[Move]) -> Tensor:
        moved = self.recording.with_latent(moves[0](self.recording.latent))
        return self.cut.replay(moved, taps=dict(zip(self.taps, moves[1:], strict=True)))
