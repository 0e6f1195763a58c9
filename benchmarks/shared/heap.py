"""Have the C library keep the memory that a step frees, so that the steps measure computation."""

import ctypes
import platform

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # of mallopt(3)


def keep_heap() -> bool:
    """Ask glibc not to give memory back to the system; whether it agreed.

    By default it gives a large free block back as soon as a step ends, and the next step takes it again, page
    by page. Which step pays depends on how its peak compares with a threshold and on what ran before it. As g
    alone stays below where a whole step does not, the parts of a step would cost less than the step.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # All are asked: each counts by itself.
    return all([mallopt(_MMAP_MAX, 0), mallopt(_TRIM_THRESHOLD, 2**31 - 1), mallopt(_TOP_PAD, 2**26)])
