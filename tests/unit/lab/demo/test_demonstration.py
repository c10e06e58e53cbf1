"""How who shows something is ended from outside."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Final

ENDED: Final = """
import asyncio, signal, sys
from causeway_lab.demo import demonstration
demonstration.end_in_order()
async def shown():
    try:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGTERM)
        await asyncio.sleep(30)
    finally:
        print("put away")
try:
    asyncio.run(shown())
except KeyboardInterrupt:
    sys.exit(demonstration.INTERRUPTED)
"""


def test_sigterm_is_an_orderly_end_also_where_a_shell_had_sigint_ignored() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ENDED],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (130, "put away\n"), ended.stderr
