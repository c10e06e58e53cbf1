"""What `bench-lines` sends: echoes at a steady pace, and TCP one way or both ways at once."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
from dataclasses import dataclass
from enum import Enum

from causeway_lab.world import namespaces

_INTERVAL = 0.01
_LATE = 2
"""Seconds that the last answers are waited for."""
_REPLY = re.compile(r"^\[(\d+\.\d+)\] \d+ bytes from .* icmp_seq=(\d+) ", re.MULTILINE)
_PATIENCE = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Echoes:
    """ICMP echoes, sent at a steady pace whatever comes back."""

    lost: float
    """Percent."""
    longest_gap: float
    """Seconds between two answers, or before the first, or after the last."""


async def echoes(machine: str, address: str, *, seconds: float) -> Echoes:
    """Ping for so long; a late answer counts as one."""
    count = round(seconds / _INTERVAL)
    command = ("ping", "-n", "-D", "-i", str(_INTERVAL), "-c", str(count), "-W", str(_LATE), address)
    process = await asyncio.create_subprocess_exec(
        *namespaces.within(machine, *command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await asyncio.wait_for(process.communicate(), seconds * 3 + _PATIENCE)
    times: dict[int, float] = {}
    for time, number in _REPLY.findall(output.decode()):
        times.setdefault(int(number), float(time))
    if not times:
        return Echoes(lost=100.0, longest_gap=seconds)
    gaps = [later - earlier for earlier, later in itertools.pairwise(sorted(times.values()))]
    edges = ((min(times) - 1) * _INTERVAL, (count - max(times)) * _INTERVAL)
    return Echoes(lost=100.0 * (count - len(times)) / count, longest_gap=max(*gaps, *edges))


class Way(Enum):
    """Where data goes, seen from who connects; the values are options of iperf3."""

    UP = "--client"
    DOWN = "--reverse"
    BOTH = "--bidir"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """TCP for so many seconds over so many connections each way."""

    seconds: int
    count: int
    segment: int | None = None
    """Octets; None for what both hosts' own adapters allow."""


async def throughput(client: str, server: str, address: str, flow: Flow, way: Way) -> tuple[float, float]:
    """Mbit/s toward the server and back; zero where nothing was sent or nothing comes through."""
    serving = await asyncio.create_subprocess_exec(
        *namespaces.within(server, "iperf3", "-s", "-1"), stdout=asyncio.subprocess.DEVNULL
    )
    await asyncio.sleep(0.3)
    command = ["iperf3", "-J", "--client", address, "-t", str(flow.seconds), "-O", "1", "-P", str(flow.count)]
    if way is not Way.UP:
        command.append(way.value)
    if flow.segment is not None:
        command += ["-M", str(flow.segment)]
    measuring = await asyncio.create_subprocess_exec(
        *namespaces.within(client, *command, "--connect-timeout", "5000"), stdout=asyncio.subprocess.PIPE
    )
    output = b"{}"
    try:
        with contextlib.suppress(TimeoutError):
            output, _ = await asyncio.wait_for(measuring.communicate(), flow.seconds + _PATIENCE)
    finally:
        for process in (measuring, serving):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return _rates(output, way)


def _rates(output: bytes, way: Way) -> tuple[float, float]:
    """Of what iperf3 wrote; it reports what was received, up and down."""
    try:
        end = json.loads(output).get("end", {})
    except ValueError:
        return 0.0, 0.0
    first, second = (
        end.get(f"sum_received{suffix}", {}).get("bits_per_second", 0.0) / 1e6
        for suffix in ("", "_bidir_reverse")
    )
    return (0.0, first) if way is Way.DOWN else (first, second)
