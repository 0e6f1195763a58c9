"""Where an attack moves a batch: at the model's input, or at a layer, encoded once and replayed from there."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from ratlp.attacks import Deltas
from ratlp.classification import checked_logits, model_logits
from ratlp.errors import InputError
from ratlp.evaluation.passes import Passes
from ratlp.latent import Cut, Recording
from ratlp.latent.batch import described, first_input
from ratlp.latent.layers import INPUT
from ratlp.latent.trees import map_tensors, swapped

_SHRUNK = 0.75  # encode anew what is left once it is this share of what was encoded last


class Space(ABC):
    """One batch, at the point that is perturbed.

    Attributes:
        points: `[batch, *point]`, detached.
        passes: The calls so far.
    """

    points: Tensor

    def __init__(self) -> None:
        self.passes = Passes()
        self._chosen: tuple[Tensor, Tensor] | None = None

    def __call__(self, deltas: Deltas, rows: Tensor) -> Tensor:
        """The logits `[rows, classes]` of some samples, at perturbations `[rows, *point]`.

        Raises:
            InputError: They are not `[rows, classes]`, or not finite.
        """
        logits = self._logits(deltas[0], rows)
        self.passes.count(logits)
        return logits

    def everywhere(self, delta: Tensor) -> Tensor:
        """The logits of the whole batch, without a graph."""
        with torch.no_grad():
            return self((delta,), torch.arange(len(delta), device=delta.device))

    def _moved(self, delta: Tensor, rows: Tensor) -> Tensor:
        """The perturbed points of some samples; the points are kept as long as the same are asked for."""
        if self._chosen is None or self._chosen[0] is not rows:
            self._chosen = rows, self.points.index_select(0, rows)
        return self._chosen[1] + delta

    @abstractmethod
    def _logits(self, delta: Tensor, rows: Tensor) -> Tensor: ...


class InputSpace(Space):
    """The model's input: the first tensor of it.

    Example:
        >>> space = InputSpace(nn.Linear(2, 3), torch.zeros(5, 2))
        >>> space((torch.ones(4, 2),), torch.arange(4)).shape
        torch.Size([4, 3])
    """

    def __init__(self, model: nn.Module, inputs: Any) -> None:
        super().__init__()
        found = first_input(inputs)
        if found is None or not found.is_floating_point():
            raise InputError(
                f"an attack on the input needs one that begins with a floating tensor; found {described(found)}: "
                "attack a layer, such as the embedding"
            )
        self._model = model
        self._inputs = inputs
        self._found = found
        self.points = found.detach()

    def _logits(self, delta: Tensor, rows: Tensor) -> Tensor:
        perturbed = self._moved(delta, rows)
        return model_logits(self._model, self._with(perturbed, rows), n=len(rows))

    def network(self, points: Tensor) -> Tensor:
        """The logits of any inputs `[n, *point]`, where the input is a single tensor.

        Raises:
            InputError: It is not.
        """
        if self._inputs is not self._found:
            raise InputError("this attack needs a model with one input; found several: leave it out")
        logits = model_logits(self._model, points, n=len(points))
        self.passes.count(logits)
        return logits

    def _with(self, perturbed: Tensor, rows: Tensor) -> Any:
        if self._inputs is self._found:
            return perturbed
        others = swapped(self._inputs, self._found, perturbed)
        return map_tensors(lambda t: t if t is perturbed else t.index_select(0, rows), others)


class LatentSpace(Space):
    """A layer's output: encoded once, and once more whenever a quarter of the samples has been let go of.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> space = LatentSpace(Cut(model, ["1"]), torch.zeros(5, 2))
        >>> space((torch.ones(4, 8),), torch.arange(4)).shape
        torch.Size([4, 3])
    """

    def __init__(self, cut: Cut, inputs: Any) -> None:
        super().__init__()
        self._cut = cut
        self._inputs = inputs
        self._whole = self._last = self._encoded(None)
        self.points = self._whole[1].latent.detach()
        self._check_batch()

    def _logits(self, delta: Tensor, rows: Tensor) -> Tensor:
        held, recording = self._holding(rows)
        perturbed = self._moved(delta, rows)
        if held is None and len(rows) == len(self.points):
            return checked_logits(self._cut.replay(recording.with_latent(perturbed)), n=len(rows))
        # Those that are not asked for stay at their latent, and their logits are dropped.
        places = rows if held is None else torch.searchsorted(held, rows)
        latent = recording.latent.detach().index_copy(0, places, perturbed)
        logits = self._cut.replay(recording.with_latent(latent))
        return checked_logits(logits, n=len(latent)).index_select(0, places)

    def _holding(self, rows: Tensor) -> tuple[Tensor | None, Recording]:
        """The smallest encoding that holds these samples, made where it would be much smaller."""
        held, recording = self._last
        if held is not None and not bool(torch.isin(rows, held).all()):
            held, recording = self._whole
        if len(rows) > _SHRUNK * len(recording.latent):
            return held, recording
        self._last = self._encoded(rows)
        return self._last

    def _encoded(self, rows: Tensor | None) -> tuple[Tensor | None, Recording]:
        inputs = self._inputs if rows is None else map_tensors(lambda t: t.index_select(0, rows), self._inputs)
        with torch.no_grad():
            return rows, self._cut.encode(inputs)

    def _check_batch(self) -> None:
        found = first_input(self._inputs)
        if found is not None and len(self.points) != len(found):
            raise InputError(
                f"the latent must be [batch, *latent] with the batch of the input, {len(found)}; found shape "
                f"{tuple(self.points.shape)}: choose another layer"
            )


class Spaces:
    """Opens batches of one model, in input space or at any layer.

    Example:
        >>> spaces = Spaces(nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3)))
        >>> spaces.open("1", torch.zeros(5, 2)).points.shape
        torch.Size([5, 8])
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._cuts: dict[str, Cut] = {}

    def open(self, layer: str, inputs: Any) -> Space:
        """A batch, at a layer.

        Raises:
            LayerError: The layer cannot serve as a latent.
            InputError: The layer is "input", and the input is not a floating tensor.
        """
        if layer == INPUT:
            return InputSpace(self.model, inputs)
        if layer not in self._cuts:
            self._cuts[layer] = Cut(self.model, [layer])
        return LatentSpace(self._cuts[layer], inputs)


class Part(Space):
    """Some samples of a batch that is open already.

    Example:
        >>> space = InputSpace(nn.Linear(2, 3), torch.arange(10.0).view(5, 2))
        >>> Part(space, torch.tensor([1, 4])).points[0]
        tensor([2., 3.])
    """

    def __init__(self, space: Space, rows: Tensor) -> None:
        super().__init__()
        self.passes = space.passes
        self.points = space.points.index_select(0, rows)
        self._space = space
        self._rows = rows

    def _logits(self, delta: Tensor, rows: Tensor) -> Tensor:
        return self._space._logits(delta, self._rows[rows])
