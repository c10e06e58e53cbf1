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

from causeway_controller.contract.provider import Host, HostKind
from causeway_controller.hypervisors import hosts
from causeway_controller.hypervisors.base import MachineSpec, NicSpec, Provider, log_out, unwatched
from causeway_controller.hypervisors.hyperv import opening as hyperv_opening
from causeway_wire.types import Secret

_KIBIBYTES: Final = 1024


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be deployed where."""

    host: Host
    login: str | None
    image: str
    """The appliance's qcow2, beside which its OVA and VHDX are."""
    smb: int = 0
    """The port of a Hyper-V host's files."""
    segments: tuple[str, ...]
    seed: bytes
    counts: tuple[int, ...]
    """So many, one after the other; all are removed before the next."""


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
    provider = _provider(asked)
    try:
        await provider.find("bench-0")  # connected, and all that is loaded for it
        return [await _deployed(provider, asked, count) for count in asked.counts]
    finally:
        await log_out(provider)


def _provider(asked: Work) -> Provider:
    login = None if asked.login is None else Secret(asked.login)
    if asked.host.kind is HostKind.HYPERV:
        # The inventory says no port of SMB: on Windows it is always the same.
        return hyperv_opening.open_host(asked.host, login, Path(asked.image), smb=asked.smb)
    return hosts.provider(asked.host, login, image=Path(asked.image))


async def _deployed(provider: Provider, asked: Work, count: int) -> Done:
    specs = [_spec(asked, number) for number in range(count)]
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


def _spec(asked: Work, number: int) -> MachineSpec:
    nics = tuple(
        NicSpec(mac=f"02:00:00:{place:02x}:00:{number:02x}", segment=segment)
        for place, segment in enumerate(asked.segments)
    )
    name = f"bench-{number}"
    return MachineSpec(owner_id=name, name=name, nics=nics, seed=asked.seed)


if __name__ == "__main__":
    main()
