"""However many threads there are, two heaps serve them; and what was there first is no garbage."""

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


SETTLED = """
import gc
from causeway_controller.app import heap

base = [[] for _ in range(1_000_000)]
gc.collect()
heap.settle()
before = gc.get_stats()[2]["collections"]
new = [[[]] for _ in range(100_000)]
print(gc.get_stats()[2]["collections"] - before)
"""


def test_garbage_is_looked_for_however_much_there_was_before() -> None:
    """Else only once a quarter of what there is was added: 250,000 objects here."""
    done = subprocess.run([sys.executable, "-c", SETTLED], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 0
