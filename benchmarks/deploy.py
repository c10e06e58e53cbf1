"""Twenty appliances onto one host of each kind, against copying the disk as often: `make bench-deploy`.

libvirt's daemon is Debian's; vCenter is govmomi's simulator, Hyper-V the tests' own counterpart with Samba.
All are on this machine, beside the process that deploys. The disk is noise; `CAUSEWAY_DISK` is how many MiB
of it, `CAUSEWAY_APPLIANCES` how many appliances. Copies are made twice: as `cp` leaves them, in memory, and
each written to the disk before the next one begins, as libvirt does with what it copies or is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from pyVmomi import vim

from benchmarks.deploying import Done
from benchmarks.report import Figure, figure, publish
from causeway_controller.contract.provider import Host
from tests import libvirtd, vcenter
from tests.conformance import entries, kinds
from tests.conformance.deploying import Deployed, Work
from tests.hyperv import host as hyperv_host

RUNS: Final = 3
COUNT: Final = int(os.environ.get("CAUSEWAY_APPLIANCES", "20"))
MEBIBYTES: Final = int(os.environ.get("CAUSEWAY_DISK", "57"))
"""The image's qcow2 has as many."""
PATIENCE: Final = 600.0
GROWS: Final = 8.0
"""MiB that a process may have more after many appliances than after one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A host: what is deployed there, and what is copied in comparison into which directory."""

    work: Work
    disk: Path
    into: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round took, in seconds but for memory."""

    copied: float
    synced: float
    """The same copies, each on the disk."""
    done: Done
    first: Done


def main() -> None:
    """Print and write the figures."""
    with tempfile.TemporaryDirectory(prefix="cwb-") as home:
        figures = asyncio.run(_all(Path(home)))
    note = (
        f"{COUNT} appliances, a disk of {MEBIBYTES} MiB; hosts, Samba and simulator have the same two cores"
    )
    publish("deploy", figures, note=note)


async def _all(home: Path) -> list[Figure]:
    found: dict[str, list[Round]] = {"libvirt": [], "vsphere": [], "hyperv": []}
    async with contextlib.AsyncExitStack() as stack:
        there = {
            "libvirt": await stack.enter_async_context(_libvirt(home)),
            "vsphere": await stack.enter_async_context(_vsphere(home)),
            "hyperv": await stack.enter_async_context(_hyperv(home)),
        }
        for number in range(RUNS):
            for kind, asked in there.items():
                found[kind].append(await _round(asked))
                print(f"round {number + 1} of {RUNS}: {kind}", file=sys.stderr)
    return [one for kind, rounds in found.items() for one in _figures(kind, rounds)]


async def _round(asked: Asked) -> Round:
    copied = await asyncio.to_thread(_copied, asked, synced=False)
    synced = await asyncio.to_thread(_copied, asked, synced=True)
    first, done = await _deployed(asked.work)
    return Round(copied=copied, synced=synced, first=first, done=done)


def _copied(asked: Asked, *, synced: bool) -> float:
    """Seconds that as many copies take, octet by octet."""
    place = asked.into / "copies"
    place.mkdir()
    began = time.monotonic()
    for number in range(COUNT):
        copy = str(place / str(number))
        subprocess.run(("cp", "--reflink=never", "--sparse=never", str(asked.disk), copy), check=True)
        if synced:
            subprocess.run(("sync", copy), check=True)
    seconds = time.monotonic() - began
    shutil.rmtree(place)
    return seconds


async def _deployed(work: Work) -> list[Done]:
    words = (sys.executable, "-m", "benchmarks.deploying")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe)
    said, _ = await asyncio.wait_for(process.communicate(msgspec.json.encode(work)), PATIENCE)
    if process.returncode:
        raise RuntimeError(f"benchmarks.deploying ended with {process.returncode}")
    return msgspec.json.decode(said, type=list[Done])


def _figures(kind: str, rounds: list[Round]) -> list[Figure]:
    copying, syncing = f"copying the disk {COUNT} times", f"copying it {COUNT} times, each to the disk"
    return [
        figure(f"{kind}: deployed", [one.done.seconds for one in rounds], "s", better="lower"),
        figure(f"{kind}: {copying}", [one.copied for one in rounds], "s", better="lower"),
        figure(f"{kind}: {syncing}", [one.synced for one in rounds], "s", better="lower"),
        figure(
            f"{kind}: deployed / copied",
            [one.done.seconds / one.copied for one in rounds],
            "",
            target=1,
            better="lower",
            compared_with=copying,
        ),
        figure(
            f"{kind}: deployed / copied to the disk",
            [one.done.seconds / one.synced for one in rounds],
            "",
            target=1,
            better="lower",
            compared_with=syncing,
        ),
        figure(f"{kind}: CPU of the controller", [one.done.cpu for one in rounds], "s", better="lower"),
        figure(f"{kind}: memory after one", [one.first.peak for one in rounds], "MiB", better="lower"),
        figure(
            f"{kind}: memory more after {COUNT}",
            [one.done.peak - one.first.peak for one in rounds],
            "MiB",
            target=GROWS,
            better="lower",
            compared_with="the same process after one",
        ),
    ]


def _work(host: Host, image: Path, segments: tuple[str, ...], login: str | None = None, smb: int = 0) -> Work:
    machine = Deployed.of(kinds.spec(segments))
    # Their last octet is the number of the machine.
    nics = tuple((f"02:00:00:{place:02x}:00:00", one) for place, one in enumerate(segments))
    return Work(
        host=host,
        login=login,
        image=str(image.with_suffix(".qcow2")),
        smb=smb,
        machine=msgspec.structs.replace(machine, nics=nics),
        counts=(1, COUNT),
    )


def _noise(path: Path) -> None:
    """Have a disk, whatever its format, have as many octets as the others."""
    with path.open("ab") as file:
        for _ in range(MEBIBYTES):
            file.write(os.urandom(1 << 20))


@asynccontextmanager
async def _libvirt(home: Path) -> AsyncIterator[Asked]:
    directory = home / "libvirt"
    directory.mkdir()
    begun = libvirtd.running(directory, ("cw-left", "cw-right"))
    daemon = next(begun)
    daemon.make_network("left", "cw-left")
    image = kinds.image(directory)
    _noise(image)
    host = entries.libvirt_entry(daemon.uri)
    yield Asked(work=_work(host, image, ("left", "bridge:cw-right")), disk=image, into=directory)
    next(begun, None)


@asynccontextmanager
async def _vsphere(home: Path) -> AsyncIterator[Asked]:
    directory = home / "vsphere"
    directory.mkdir()
    image = vcenter.ova(directory, noise=MEBIBYTES << 20)
    with vcenter.running(vcenter.build(directory / "simulator"), directory) as centre:
        host = entries.vsphere_entry(centre, centre.port)
        networks = (centre.id(vim.Network, "VM Network"), centre.id(vim.Network, "DC0_DVPG0"))
        yield Asked(work=_work(host, image, networks, entries.vsphere_login()), disk=image, into=directory)


@asynccontextmanager
async def _hyperv(home: Path) -> AsyncIterator[Asked]:
    directory = home / "hyperv"
    directory.mkdir()
    image = kinds.vhdx(directory)
    _noise(image)
    first, second = map(str, hyperv_host.SWITCHES)
    async with hyperv_host.running(directory) as one:
        host = entries.hyperv_entry(one, one.port)
        work = _work(host, image, (first, f"{second}/101"), entries.hyperv_login(), smb=one.smb)
        yield Asked(work=work, disk=image, into=directory)


if __name__ == "__main__":
    main()
