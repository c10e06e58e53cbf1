"""The C library's heap in a process of many threads, and what Python's collector looks at."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

ENVIRONMENT: Final = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
"""What a controller is started with (`packaging`): mallopt(3) has no word for it.

Else each of 74 threads keeps up to seven freed pieces of each size for itself: 9 MiB once all had asked the
store, for no processor time that could be measured.
"""
_ARENA_MAX: Final = -8
"""M_ARENA_MAX, mallopt(3)."""
_ARENAS: Final = 2


def share() -> None:
    """Have all threads share two heaps. Call before there are threads; where the C library is not glibc,
    nothing happens.

    Else glibc makes one for each new thread, up to eight for a processor, and what a thread has freed there
    serves no other: a thousand failovers at once pass through 64 threads that ask the store.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, _ARENAS)


def settle() -> None:
    """Have the collector leave alone what is there now. Call once everything is loaded and started.

    Modules and tables of a controller are 110,000 objects that are never garbage. Python looks through all
    objects once a quarter as many are new, so cycles of a tenth of a heap stayed, and each look took long.
    """
    gc.freeze()
    gc.collect()  # with nothing left, so that a quarter is counted of what comes from now on
