"""Time and memory of every variant, interleaved."""

import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from step_cost.subject import DEPTHS, Subject
from step_cost.variants import AT_INPUT, MANY_STEPS, ONE_STEP, PARTS, Step, standard

STANDARD = "standard"
Key = tuple[int, str]
"""Depth in % and variant."""


@dataclass
class Measured:
    """What was measured on one model.

    Attributes:
        rounds: The seconds of each step, by round. The PGD variants take part in some rounds only.
        memory: The peak of the bytes that a step has allocated, gradients included.
    """

    rounds: list[dict[Key, float]] = field(default_factory=list)
    memory: dict[Key, int] = field(default_factory=dict)


class Bench:
    """All steps of one subject, prepared once.

    Args:
        subject: The model and its batch.
        clock: Gives seconds.
    """

    def __init__(self, subject: Subject, clock: Callable[[], float] = time.perf_counter) -> None:
        self._subject = subject
        self._clock = clock
        self._cuda = subject.y.device.type == "cuda"
        factories = {STANDARD: standard, **PARTS, **ONE_STEP, **MANY_STEPS}
        self._steps = {(d, name): make(subject, d) for d in DEPTHS for name, make in factories.items()}
        self._steps |= {(0, name): make(subject, 0) for name, make in AT_INPUT.items()}

    def run(self, rounds: int, many_every: int, advance: Callable[[], None] = lambda: None) -> Measured:
        """Warm up and measure memory in a first round, then time each step once a round.

        Args:
            rounds: Rounds that are timed.
            many_every: PGD takes part in every n-th round only, beginning with the first.
            advance: Called after each step.
        """
        measured = Measured()
        self._steps[0, STANDARD]()  # what is set up at a first step is no variant's memory
        for key, step in self._steps.items():
            measured.memory[key] = self._memory(step)
            advance()
        gc.collect()
        gc.freeze()  # makes the collections between the steps quick
        for number in range(rounds):
            seconds = {}
            for key in self._order(number, with_many=number % many_every == 0):
                seconds[key] = self._seconds(self._steps[key])
                advance()
            measured.rounds.append(seconds)
        gc.unfreeze()
        return measured

    def count(self, rounds: int, many_every: int) -> int:
        """How often `run` calls `advance`."""
        orders = (self._order(n, with_many=n % many_every == 0) for n in range(rounds))
        return len(self._steps) + sum(map(len, orders))

    def _order(self, number: int, *, with_many: bool) -> list[Key]:
        """Depth by depth, each beside its standard step; every round begins with another variant."""
        left_out = () if with_many else (*MANY_STEPS, "pgd-7")
        order = []
        for depth in DEPTHS:
            keys = [key for key in self._steps if key[0] == depth and key[1] not in left_out]
            first = number % len(keys)
            order += keys[first:] + keys[:first]
        return order

    def _seconds(self, step: Step) -> float:
        self._clear()
        gc.collect()
        self._wait()
        start = self._clock()
        step()
        self._wait()
        return self._clock() - start

    def _memory(self, step: Step) -> int:
        self._clear()
        self._wait()
        return _cuda_peak(step) if self._cuda else _cpu_peak(step)

    def _clear(self) -> None:
        self._subject.model.zero_grad(set_to_none=True)

    def _wait(self) -> None:
        if self._cuda:
            torch.cuda.synchronize()


def _cuda_peak(step: Step) -> int:
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def _cpu_peak(step: Step) -> int:
    """The highest running sum of torch's own allocations and releases.

    What libraries behind torch allocate by themselves, such as scratch space of convolutions, is not seen.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler reports itself on stderr otherwise
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    kineto: Any = profiler.profiler
    events = [event for event in kineto.kineto_results.events() if event.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak
