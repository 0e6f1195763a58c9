import signal

import pytest
import torch


def pytest_configure():
    """Started in the background by a shell, tests inherit that interrupts are ignored; their own are to arrive."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _seeded():
    """Every test starts from the same random state, on its own."""
    torch.manual_seed(0)
