"""Explains packets on this machine as `causeway-agent explain` does without an agent: a program for tests.

The first argument is the settings file; each line of the input is source, destination, kind, port and entry,
`-` where not given. Prints one JSON object per line.
"""

from __future__ import annotations

import asyncio
import json
import sys
from ipaddress import ip_address
from pathlib import Path

from causeway_agent import offline, settings
from causeway_agent.plan.explain.packet import Kind, Packet


async def explain(path: Path) -> None:
    loaded = settings.load(path)
    for line in sys.stdin:
        source, destination, kind, port, entry = (None if word == "-" else word for word in line.split())
        packet = Packet(
            ip_address(source or ""),
            ip_address(destination or ""),
            None if kind is None else Kind(kind),
            None if port is None else int(port),
        )
        found = await offline.explain(loaded, packet, entry=entry)
        sys.stdout.write(json.dumps(found.told(offline.counters())) + "\n")


if __name__ == "__main__":
    asyncio.run(explain(Path(sys.argv[1])))
