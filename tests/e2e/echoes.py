"""Echoes at a steady rate from a machine's namespace, by ping(8): how long none of them was answered."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from causeway_lab.world import namespaces
from causeway_wire.types import IPAddress

INTERVAL: Final = 0.2
"""Seconds between two requests."""
_END_SECONDS: Final = 10.0
_ANSWERED: Final = re.compile(r"^\[(\d+\.\d+)\] \d+ bytes from .* icmp_seq=(\d+) ", re.MULTILINE)


@dataclass(slots=True)
class Echoes:
    """What was answered: moments in seconds, in order. Filled when the watch has ended."""

    moments: list[float] = field(default_factory=list)

    def gaps(self, longer_than: float) -> Iterator[tuple[float, float]]:
        """When each began, in seconds since the first answer, and its length."""
        for before, after in pairwise(self.moments):
            if after - before > longer_than:
                yield before - self.moments[0], after - before

    def told(self) -> str:
        """In words, with the longest gap."""
        if not self.moments:
            return "nothing was answered"
        seconds = self.moments[-1] - self.moments[0]
        longest = max((gap for _, gap in self.gaps(0.0)), default=0.0)
        shown = ", ".join(f"{gap:.1f} s after {at:.0f} s" for at, gap in self.gaps(10 * INTERVAL))
        return (
            f"{len(self.moments)} of about {seconds / INTERVAL:.0f} echoes answered in {seconds:.0f} s, "
            f"the longest gap {longest:.1f} s; above {10 * INTERVAL:.0f} s: {shown or 'none'}"
        )


@asynccontextmanager
async def steady(source: str, address: IPAddress) -> AsyncIterator[Echoes]:
    """Send them from this machine while the block runs."""
    seen = Echoes()
    words = ("ping", "-n", "-D", "-i", str(INTERVAL), str(address))
    sending = await asyncio.create_subprocess_exec(
        *namespaces.within(source, *words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    reading = asyncio.ensure_future(sending.communicate())
    try:
        yield seen
    finally:
        sending.send_signal(signal.SIGINT)
        said, _ = await asyncio.wait_for(reading, _END_SECONDS)
        seen.moments += [float(moment) for moment, _ in _ANSWERED.findall(said.decode())]
