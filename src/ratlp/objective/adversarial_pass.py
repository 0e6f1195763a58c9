"""How the adversarial passes through g treat what a module remembers or draws: statistics and dropout."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ratlp.latent.buffers import Buffer, buffers_held


@dataclass(frozen=True)
class AdversarialPass:
    """The policy of the passes at perturbed latents.

    Attributes:
        same_dropout: Whether dropout draws the masks of the clean pass again; otherwise it draws anew.
        moves_statistics: Whether running statistics (BatchNorm's, and whatever buffers a forward changes) move
            in the final adversarial pass too; otherwise they move with the clean batch alone, as in standard
            training.

    Example:
        >>> AdversarialPass(same_dropout=True)
        AdversarialPass(same_dropout=True, moves_statistics=False)
    """

    same_dropout: bool = False
    moves_statistics: bool = False

    @contextmanager
    def around(
        self, model: nn.Module, moved: Iterable[Buffer], random_state: "RandomState", *, final: bool
    ) -> Iterator[None]:
        """The context of one pass.

        Args:
            model: The model.
            moved: The buffers that the clean pass changed.
            random_state: That before the clean pass.
            final: Whether it is the pass that is trained on.
        """
        with ExitStack() as stack:
            if not (self.moves_statistics and final):
                stack.enter_context(buffers_held(model, moved))
            if self.same_dropout:
                stack.enter_context(random_state.again())
            yield


class RandomState:
    """The state of torch's generators at one moment, on the CPU and on a tensor's device."""

    def __init__(self, near: Tensor | None) -> None:
        self._device = torch.device("cpu") if near is None else near.device
        self._cpu = torch.get_rng_state()
        self._accelerator = torch.cuda.get_rng_state(self._device) if self._device.type == "cuda" else None

    @contextmanager
    def again(self) -> Iterator[None]:
        """While open, draws repeat those made since that moment; afterwards the generators are as before."""
        devices = [] if self._accelerator is None else [self._device]
        with torch.random.fork_rng(devices=devices):
            torch.set_rng_state(self._cpu)
            if self._accelerator is not None:
                torch.cuda.set_rng_state(self._accelerator, self._device)
            yield
