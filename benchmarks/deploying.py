"""A controller's provider that deploys appliances: `python -m benchmarks.deploying`, asked by its input.

A process of its own, so that its memory is its own: neither hosts' counterparts nor the benchmark are in it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from causeway_controller.hypervisors.base import MachineSpec, Provider, log_out, unwatched
from tests.conformance.deploying import Deployed, Work

_KIBIBYTES: Final = 1024


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What it took: seconds, seconds of processor time, and MiB that the process ever had in memory."""

    seconds: float
    cpu: float
    peak: float


def main() -> None:
    """Read one piece of work, and print what each count of it took."""
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Work)
    done = asyncio.run(_all(asked))
    sys.stdout.buffer.write(msgspec.json.encode(done))


async def _all(asked: Work) -> list[Done]:
    provider = asked.provider()
    try:
        await provider.find("bench-0")  # connected, and all that is loaded for it
        return [await _deployed(provider, asked, count) for count in asked.counts]
    finally:
        await log_out(provider)


async def _deployed(provider: Provider, asked: Work, count: int) -> Done:
    specs = [_numbered(asked.machine, number) for number in range(count)]
    began, cpu = time.monotonic(), time.process_time()
    for spec in specs:
        await provider.deploy(spec, unwatched)
    done = Done(
        seconds=time.monotonic() - began,
        cpu=time.process_time() - cpu,
        peak=_peak(),
    )
    for spec in specs:
        await provider.destroy(spec.owner_id)
    return done


def _peak() -> float:
    """MiB at most so far (VmHWM in proc(5)); getrusage(2) would count who started this process, too."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) / _KIBIBYTES


def _numbered(machine: Deployed, number: int) -> MachineSpec:
    """Another machine that is alike."""
    nics = tuple((f"{mac[:-2]}{number:02x}", segment) for mac, segment in machine.nics)
    return msgspec.structs.replace(machine, owner_id=f"bench-{number}", nics=nics).spec()


if __name__ == "__main__":
    main()
