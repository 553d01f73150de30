"""Keep a training's memory between steps: asking the system for it anew takes longer than some layers do."""

from __future__ import annotations

import ctypes
import sys

_TRIM, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_MOST = 2**31 - 1


def keep_memory() -> bool:
    """Tell the C library to keep freed memory for the next step; returns whether it understood.

    A step frees and asks for some gigabytes in large pieces. By default glibc maps each anew, and the system fills it
    with zeros first: at 224 pixels a side that was two fifths of a step's time.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM, _MOST) and mallopt(_TOP_PAD, 2**28))
