"""All threads share two heaps, and none keeps what it freed; what was there first is no garbage."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest

from causeway_controller.app import heap

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


KEPT = """
import ctypes, threading

class Found(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena a b c d e f used free g".split()]

library = ctypes.CDLL(None)
library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
library.mallinfo2.argtypes, library.mallinfo2.restype = [], Found

ready, over = threading.Barrier(2), threading.Event()

def take():
    for place in [library.malloc(size) for size in range(24, 1_000, 16) for _ in range(7)]:
        library.free(place)
    ready.wait()
    over.wait()

before = library.mallinfo2().used
thread = threading.Thread(target=take)
thread.start()
ready.wait()
print(library.mallinfo2().used - before)
over.set()
thread.join()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallinfo2(3) is glibc's")
def test_a_thread_keeps_nothing_that_it_freed() -> None:
    def found(more: dict[str, str]) -> int:
        command = [sys.executable, "-c", KEPT]
        environment = os.environ | more
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return int(done.stdout)

    assert found(heap.ENVIRONMENT) < found({}) / 4


def test_the_service_is_started_so() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.read(Path("packaging/debian/causeway.service"))
    assert unit["Service"]["Environment"] == "GLIBC_TUNABLES=" + heap.ENVIRONMENT["GLIBC_TUNABLES"]
    archive = Path("packaging/oci_archive.py").read_text()
    assert f'"{unit["Service"]["Environment"]}"' in archive
