"""What a clean pass leaves behind for the passes after it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn

from ratlp.bounds.interval import Statistics, supplied
from ratlp.errors import BoundError
from ratlp.latent.buffers import Buffer
from ratlp.latent.calls import own_forwards
from ratlp.latent.parameters import is_sharded
from ratlp.objective.adversarial_pass import AdversarialPass, RandomState


@dataclass(frozen=True)
class Conditions:
    """The state of the model at one moment of the clean pass, and what the pass has changed.

    Attributes:
        model: The model.
        moved: The buffers that the clean pass changed.
        state: The random state at that moment.
        statistics: Those of the clean batch from that moment on, by which BatchNorm normalises intervals.
    """

    model: nn.Module
    moved: set[Buffer]
    state: RandomState
    statistics: Sequence[Statistics]

    @contextmanager
    def of_points(self, policy: AdversarialPass, *, final: bool) -> Iterator[None]:
        """The context of a pass of points from that moment on; `final` for the one that is trained on."""
        with policy.around(self.model, self.moved, self.state, final=final):
            yield

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
        as_clean = AdversarialPass(same_dropout=True)
        with supplied(self.statistics), own_forwards(self.model), self.of_points(as_clean, final=False):
            yield
