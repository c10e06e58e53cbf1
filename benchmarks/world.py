"""What the benchmarks share: a lab, the processes of its machines, their CPU time and memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.world import namespaces, pace
from causeway_lab.world.pace import Pace
from causeway_lab.world.topology import Topology

VM = VmRef("acme", "db1")
"""The VM that fails over."""

_TICKS = os.sysconf("SC_CLK_TCK")


@contextlib.asynccontextmanager
async def lab(
    topology: Topology, *, agent_python: Path = Path(sys.executable), speed: Pace = pace.PROCESSES
) -> AsyncIterator[Lab]:
    """A lab that is up while the block runs, its agents run by this Python."""
    world = Lab(topology, agent_python=agent_python, speed=speed)
    await world.up()
    try:
        yield world
    finally:
        await world.down()


def pids(machine: str, program: str) -> list[int]:
    """Process ids of this program (its comm) in a machine's namespace."""
    listed = map(int, namespaces.run(None, "ip", "netns", "pids", machine).split())
    return [pid for pid in listed if _comm(pid) == program]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (proc_pid_stat(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_megabytes(pid: int) -> float:
    """Resident memory of a process in MB (10^6 octets)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ProcessLookupError(pid)


async def settle(seconds: float = 1.0) -> None:
    """Let what was just started finish its work."""
    await asyncio.sleep(seconds)


def _comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:  # ended meanwhile
        return ""
