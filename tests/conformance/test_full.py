"""Hosts without room: what is refused before anything is sent, what is taken back, what works all the same.

Of libvirt and the lab it is a file system that really is full; how a deployment ends then on libvirt is in
`test_libvirt`.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from causeway_controller.hypervisors.base import HypervisorError, unwatched
from tests.conformance import test_verbs as verbs
from tests.conformance import volatile
from tests.conformance.kinds import HypervKind, Kind, LabKind, LibvirtKind, VsphereKind

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(120)]

_MIB = 1 << 20
_ROOMLESS = pytest.mark.parametrize("kind", ["vsphere", "hyperv"], indirect=True)
_NO_ROOM_NEEDED = ("find", "check", "list", "power off", "destroy")
"""By any kind of host: to power on writes on the lab's."""


def leave(kind: Kind, octets: int | None) -> None:
    """Have so much room left, as the host says; None: as much as usual."""
    if isinstance(kind, VsphereKind):
        kind.centre.leave(octets)
    elif isinstance(kind, LibvirtKind):
        volatile.leave(kind.daemon.pool, octets)
    elif isinstance(kind, LabKind):
        volatile.leave(kind.machines, octets)
    else:
        assert isinstance(kind, HypervKind)
        script = kind.host.windows.root.parent / "samba/left"
        kibibytes = (80 << 20) if octets is None else octets >> 10
        _write(script, f"#!/bin/sh\necho 83886080 {kibibytes} 1024\n")


def _write(script: Path, text: str) -> None:
    script.write_text(text)
    script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


@contextmanager
def full(kind: Kind, octets: int) -> Iterator[None]:
    """It has so little room."""
    leave(kind, octets)
    try:
        yield
    finally:
        leave(kind, None)


@_ROOMLESS
@pytest.mark.shows(operation="deploy", fault="host full, seen before")
async def test_a_host_without_room_for_the_whole_disk_is_refused(kind: Kind) -> None:
    had = kind.there()
    with full(kind, _MIB), pytest.raises(HypervisorError, match=r"has 1 MiB left.*make room"):
        await kind.provider().deploy(kind.spec, unwatched)
    assert kind.there() == had
    await kind.provider().deploy(kind.spec, unwatched)
    await verbs.check(kind, "deploy", had)


@pytest.mark.shows(operations=_NO_ROOM_NEEDED, fault="host full, seen before")
async def test_what_needs_no_room_is_done_on_a_full_host(kind: Kind) -> None:
    had = kind.there()
    await verbs.deploy(kind.provider(), kind)
    await verbs.power_on(kind.provider(), kind)
    with full(kind, 0):
        for name in _NO_ROOM_NEEDED:
            await verbs.VERBS[name](kind.provider(), kind)
    assert kind.there() == had


@pytest.mark.parametrize("kind", ["libvirt", "vsphere", "hyperv"], indirect=True)
@pytest.mark.shows(operation="power on", fault="host full, seen before")
async def test_a_machine_is_started_on_a_full_host(kind: Kind) -> None:
    had = kind.there()
    await verbs.deploy(kind.provider(), kind)
    with full(kind, 0):
        await verbs.power_on(kind.provider(), kind)
    await verbs.check(kind, "power on", had)


@pytest.mark.parametrize("kind", ["lab"], indirect=True)
@pytest.mark.shows(operations=("deploy", "power on"), fault="host full, seen before")
async def test_a_machine_of_the_lab_is_wired_without_room_and_not_started(kind: LabKind) -> None:
    """Its agent keeps its state in files of this machine."""
    had = kind.there()
    with full(kind, 0):
        await verbs.deploy(kind.provider(), kind)
        with pytest.raises(HypervisorError, match="No space left on device"):
            await verbs.power_on(kind.provider(), kind)
    await verbs.check(kind, "deploy", had)
    await verbs.power_on(kind.provider(), kind)
    await verbs.check(kind, "power on", had)


@pytest.mark.parametrize("kind", ["vsphere"], indirect=True)
@pytest.mark.shows(operation="deploy", fault="host full, while uploading")
async def test_a_datastore_that_fills_up_meanwhile_is_left_as_it_was(kind: VsphereKind) -> None:
    had = kind.there()

    def fill(_phrase: str, _fraction: float) -> None:
        kind.centre.leave(_MIB // 2)

    try:
        with pytest.raises(HypervisorError):
            await kind.provider().deploy(kind.spec, fill)
        assert kind.there() == had
    finally:
        kind.centre.leave(None)
    await kind.provider().deploy(kind.spec, unwatched)
    await verbs.check(kind, "deploy", had)


@pytest.mark.parametrize("kind", ["hyperv"], indirect=True)
@pytest.mark.shows(operation="deploy", fault="host full, when the VM is made")
async def test_a_disk_that_is_full_when_the_vm_is_made_is_left_as_it_was(kind: HypervKind) -> None:
    had = kind.there()
    kind.host.windows.full = True
    with pytest.raises(HypervisorError, match="not enough space"):
        await kind.provider().deploy(kind.spec, unwatched)
    assert kind.there() == had
    kind.host.windows.full = False
    await kind.provider().deploy(kind.spec, unwatched)
    await verbs.check(kind, "deploy", had)
