from contextlib import contextmanager

import pytest

from ratlp.data import Moons
from ratlp.experiments import Setting, trials as module
from ratlp.experiments.trials import Trials

SHORT = Setting(epochs=2)


def test_a_setting_is_trained_once():
    told = []

    @contextmanager
    def progress(description, total):
        told.append((description, total))
        yield lambda: None

    trials = Trials(Moons(n=100), range(2), progress=progress)
    assert trials.stacks(SHORT, "ratlp") is trials.stacks(SHORT, "ratlp")
    trials.measurements(SHORT, "standard")
    assert told == [("RAT-LP, 2 seeds", 2), ("standard training, 2 seeds", 2)]


def test_seeds_in_several_stacks_give_the_same_measurements(monkeypatch):
    together = Trials(Moons(n=100), range(5)).measurements(SHORT, "ratlp")
    monkeypatch.setattr(module, "AT_ONCE", 2)
    trials = Trials(Moons(n=100), range(5))
    apart = trials.measurements(SHORT, "ratlp")
    assert [len(stack.x_test) for stack in trials.stacks(SHORT, "ratlp")] == [2, 2, 1]
    assert apart.head_norm == pytest.approx(together.head_norm, rel=1e-4)
    assert apart.accuracy["clean"] == together.accuracy["clean"]
