"""However many threads there are, two heaps serve them."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.timeout(120)

THREADS = 12
ARENAS = f"""
import ctypes, threading
from causeway_controller.app import heap

heap.share()
taken = threading.Barrier({THREADS})
def take():
    kept = [bytes(2_000) for _ in range(100)]
    taken.wait()
threads = [threading.Thread(target=take) for _ in range({THREADS})]
[one.start() for one in threads], [one.join() for one in threads]
ctypes.CDLL(None).malloc_stats()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="malloc_stats(3) is glibc's")
def test_threads_share_two_heaps() -> None:
    done = subprocess.run([sys.executable, "-c", ARENAS], capture_output=True, text=True, check=True)
    assert done.stderr.count("Arena ") in {1, 2}, done.stderr
