"""What is kept of finished work, so that an evaluation can go on where it was cut off."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ratlp.errors import InputError
from ratlp.latent.trees import tensors

Value = float | int | None
"""What a task finds out of one sample."""


@dataclass(frozen=True)
class Record:
    """One finished piece of work: one task on one batch.

    Attributes:
        run: The digest of what was evaluated: model, data, tasks and seed.
        task: The name of the attack, or of what else was measured.
        start: The first sample of the batch.
        stop: The first sample after it.
        batch_size: With which the run was begun; where memory ran out, batches are smaller.
        values: One for each sample. Of an attack: 1 where it turned the sample from right to wrong, else 0.
        forwards: Sample passes forward.
        gradients: Those taken back for a gradient.
        seconds: How long it took.

    Example:
        >>> record = Record("c0ffee", "pgd", 0, 2, 2, (0, 1), forwards=40, gradients=38, seconds=0.1)
        >>> Record.from_json(record.to_json()) == Record.from_dict(record.to_dict()) == record
        True
    """

    run: str
    task: str
    start: int
    stop: int
    batch_size: int
    values: tuple[Value, ...]
    forwards: int
    gradients: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON knows it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "Record":
        """The inverse of `to_dict`.

        Raises:
            InputError: The entry is not a record.
        """
        try:
            return cls(**{**entry, "values": tuple(entry["values"])})
        except (TypeError, KeyError) as error:
            raise _refused(entry) from error

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> "Record":
        """The inverse of `to_json`.

        Raises:
            InputError: The line is not a record.
        """
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise _refused(line) from error
        return cls.from_dict(entry)


def _refused(found: Any) -> InputError:
    return InputError(
        f"a record must be as it was written; found {str(found)[:60]!r}: remove it, and its samples are run anew"
    )


class Done:
    """The records of finished work, found by batch and task.

    Args:
        records: Of this run; of several for one piece of work the last counts.
        run: The digest of the run.

    Raises:
        InputError: A record is of another run, or has not a value for each of its samples.
    """

    def __init__(self, records: Iterable[Record], run: str) -> None:
        self._found: dict[tuple[int, int, str], Record] = {}
        self._stops: dict[int, int] = {}
        self.batch_size: int | None = None
        for record in records:
            if record.run != run:
                raise InputError(
                    f"records must be of this run, {run}, with its model, data, attacks and seed; found run "
                    f"{record.run}: remove them to begin anew"
                )
            if len(record.values) != record.stop - record.start:
                raise InputError(
                    f"a record must have a value for each of its samples, {record.start} to {record.stop - 1}; found "
                    f"{len(record.values)}: remove it, and its samples are run anew"
                )
            self._found[record.start, record.stop, record.task] = record
            # Where memory ran out a shorter batch was begun at the same sample, and the longer one left.
            self._stops[record.start] = min(record.stop, self._stops.get(record.start, record.stop))
            self.batch_size = record.batch_size

    def stop(self, start: int) -> int | None:
        """Where the batch ended that begins at a sample; None where there was none."""
        return self._stops.get(start)

    def get(self, start: int, stop: int, task: str) -> Record | None:
        """The record of one piece of work; None where it is still to be done."""
        return self._found.get((start, stop, task))


def digest(model: nn.Module, data: Any, settings: Mapping[str, Any]) -> str:
    """A digest of the model's parts and weights, of data and settings: equal where all of them are, to the last bit.

    Example:
        >>> net = nn.Linear(2, 2)
        >>> digest(net, torch.ones(3), {"seed": 0}) == digest(net, torch.ones(3), {"seed": 1})
        False
    """
    hashed = hashlib.sha256((json.dumps(settings, sort_keys=True) + repr(model)).encode())
    for name, tensor in model.state_dict().items():
        hashed.update(name.encode())
        if isinstance(tensor, Tensor):
            _update(hashed, tensor)
    for tensor in tensors(data):
        _update(hashed, tensor)
    return hashed.hexdigest()[:16]


def _update(hashed: Any, tensor: Tensor) -> None:
    hashed.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
    raw = tensor.detach().to("cpu", copy=True).contiguous().flatten().view(torch.uint8)
    hashed.update(raw.numpy().tobytes())
