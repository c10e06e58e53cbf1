"""What is libvirt's alone, against a real daemon: what is defined, refused, and never touched."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import tempfile
import time
import uuid
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from causeway_controller.hypervisors import seed_image
from causeway_controller.hypervisors.base import HypervisorError, NicSpec, unwatched
from causeway_controller.hypervisors.libvirt import binding, domain, images, volumes
from causeway_controller.hypervisors.libvirt.domain import Hardware
from causeway_controller.hypervisors.libvirt.provider import LibvirtProvider
from causeway_controller.hypervisors.libvirt.session import Session
from tests.conformance import kinds
from tests.conformance.killing import killed_half_way
from tests.conformance.kinds import MACS, OWNER, LibvirtKind
from tests.cutting_proxy import Way
from tests.libvirtd import POOL, Libvirtd

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(60)]

REPLICA = "7c1f6c3e-5a0e-4a53-9b1c-0242ac120002"
_FOREIGN = """<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>16</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"""


@pytest_asyncio.fixture
async def host(daemon: Libvirtd, place: Path) -> AsyncIterator[LibvirtKind]:
    async with kinds.libvirt(daemon, Path(tempfile.mkdtemp(dir=place))) as kind:
        yield kind


def described(host: LibvirtKind) -> ET.Element:
    def look(connection: Any) -> str:
        return str(connection.lookupByUUIDString(domain.identity(OWNER)).XMLDesc())

    return ET.fromstring(host.daemon.ask(look))  # noqa: S314 - our own daemon's


def content(host: LibvirtKind, suffix: str) -> bytes:
    """What is in the machine's volume of this kind."""
    (path,) = host.daemon.pool.glob(f"causeway-{domain.identity(OWNER)}-*{suffix}")
    return path.read_bytes()


@pytest.mark.shows(operation="deploy", fault="none")
async def test_disk_and_disc_arrive_octet_by_octet_and_vnics_have_their_macs(host: LibvirtKind) -> None:
    told: list[float] = []
    await host.provider().deploy(host.spec, lambda _, fraction: told.append(fraction))
    assert content(host, ".qcow2") == host.image.read_bytes()
    assert content(host, ".iso") == seed_image.iso(host.spec.seed)
    machine = described(host)
    plugged = {
        one.find("mac").get("address"): dict(one.find("source").attrib)  # type: ignore[union-attr]
        for one in machine.iterfind("devices/interface")
    }
    assert plugged == {MACS[0]: {"network": "left"}, MACS[1]: {"bridge": "cw-right"}}
    drivers = [one.get("type") for one in machine.iterfind("devices/disk/driver")]
    assert drivers == ["qcow2", "raw"]
    assert told == sorted(told)
    assert told[-1] == 1.0


async def test_a_tag_of_open_vswitch_is_defined(host: LibvirtKind) -> None:
    segment = await host.provider().segment("openvswitch:ovs0", 7)
    spec = replace(host.spec, nics=(NicSpec(mac=MACS[0], segment=segment),))
    text = domain.describe(spec, name="one", hardware=Hardware(domain="qemu"), disk="/d", disc=None)
    host.daemon.ask(lambda connection: connection.defineXML(text))
    assert described(host).find("devices/interface/vlan/tag").attrib == {"id": "7"}  # type: ignore[union-attr]
    await host.provider().destroy(OWNER)


async def test_the_segment_of_a_vlan_is_a_bridge_of_the_administrators(host: LibvirtKind) -> None:
    assert await host.provider().segment("bridge:cw-vlan{vlan}", 7) == "bridge:cw-vlan7"
    with pytest.raises(HypervisorError, match="does not say where a VLAN is"):
        await host.provider().segment("bridge:cw-vlan", 7)
    spec = replace(host.spec, nics=(NicSpec(mac=MACS[0], segment="bridge:cw-vlan7"),))
    assert list(await host.provider().preflight(spec)) == []


@pytest.mark.shows(operation="deploy", fault="nothing to plug into")
async def test_what_is_missing_is_said_at_once_and_nothing_is_made(host: LibvirtKind) -> None:
    had = host.there()
    nics = (NicSpec(mac=MACS[0], segment="bridge:cw-none"), NicSpec(mac=MACS[1], segment="nowhere"))
    with pytest.raises(HypervisorError, match=r"no bridge cw-none.*no network nowhere; there is left"):
        await host.provider().deploy(replace(host.spec, nics=nics), unwatched)
    assert host.there() == had


@pytest.mark.shows(operation="deploy", fault="host full, seen before")
async def test_a_pool_without_room_for_the_whole_disk_is_refused(host: LibvirtKind, tmp_path: Path) -> None:
    provider, place = _full(host, tmp_path, "2m")
    try:
        with pytest.raises(HypervisorError, match="may grow to 5 MiB; make room"):
            await provider.deploy(host.spec, unwatched)
        assert list(place.iterdir()) == []
    finally:
        _remove(host, place)


@pytest.mark.shows(operation="deploy", fault="host full, while uploading")
async def test_a_pool_that_fills_up_meanwhile_is_left_as_it_was(
    host: LibvirtKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, place = _full(host, tmp_path, "5m")
    other, send = place / "other", volumes.fill

    def filled(*upload: Any) -> None:
        """Somebody else takes what is left after the room was looked at, and before anything is sent."""
        subprocess.run(("dd", "if=/dev/zero", f"of={other}", "bs=64k"), check=False, capture_output=True)
        send(*upload)

    try:
        with monkeypatch.context() as patched:
            patched.setattr(volumes, "fill", filled)
            with pytest.raises(HypervisorError, match=r"[Nn]o space"):
                await provider.deploy(host.spec, unwatched)
        assert list(place.iterdir()) == [other]
        other.unlink()
        await provider.deploy(host.spec, unwatched)
        await provider.destroy(OWNER)
        assert list(place.iterdir()) == []
    finally:
        _remove(host, place)


@pytest.mark.shows(operation="deploy", fault="writes lost, and no word of it")
def test_a_volume_that_got_less_than_was_sent_is_refused(host: LibvirtKind) -> None:
    """As libvirt leaves one when its last writes fail while it finishes."""

    def send(connection: Any) -> None:
        volume = volumes.create(volumes.pool(connection, POOL), f"causeway-{uuid.uuid4()}-short.qcow2")
        try:
            with pytest.raises(HypervisorError, match="99 of 100 octets of volume"):
                volumes.fill(connection, volume, io.BytesIO(bytes(99)), 100, lambda _: None)
            volumes.fill(connection, volume, io.BytesIO(bytes(100)), 100, lambda _: None)
        finally:
            volume.delete()

    host.daemon.ask(send)


def _full(host: LibvirtKind, tmp_path: Path, size: str) -> tuple[LibvirtProvider, Path]:
    """A provider with a pool of this size."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)), check=True)
    host.daemon.make_pool("small", place)
    session = Session("kvm1", lambda: binding.load().open(host.daemon.uri))
    hardware = Hardware(mebibytes=16, domain="qemu")
    return LibvirtProvider(
        host="kvm1", session=session, pool="small", image=host.image, hardware=hardware
    ), place


def _remove(host: LibvirtKind, place: Path) -> None:
    def remove(connection: Any) -> None:
        pool = connection.storagePoolLookupByName("small")
        pool.destroy()
        pool.undefine()

    host.daemon.ask(remove)
    subprocess.run(("umount", str(place)), check=True)


@pytest.mark.shows(operation="power on", fault="a domain of somebody else's")
async def test_a_replica_is_powered_by_its_uuid_and_never_removed(host: LibvirtKind) -> None:
    text = _FOREIGN.format(name="db1", uuid=REPLICA)
    host.daemon.ask(lambda connection: connection.defineXML(text))
    provider = host.provider()
    try:
        for on in (True, True, False, False):
            await provider.power(REPLICA, on=on, grace=0)
            found = await provider.find(REPLICA)
            assert found is not None
            assert (found.name, found.powered_on) == ("db1", on)
        had = host.there()
        await provider.destroy(REPLICA)
        assert host.there() == had
    finally:
        host.daemon.ask(lambda connection: connection.lookupByUUIDString(REPLICA).undefine())


@pytest.mark.shows(operation="power on", fault="vNICs changed meanwhile")
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (MACS[0], "02:00:00:00:00:99", "its vNICs are"),
        ("network='left'", "bridge='cw-vlan7'", "its vNICs are"),
        ("<model type='virtio'/>", "<model type='virtio'/><link state='down'/>", "is not connected"),
    ],
    ids=["mac", "network", "cable"],
)
async def test_a_machine_that_was_rewired_is_not_started(
    host: LibvirtKind, old: str, new: str, said: str
) -> None:
    await host.provider().deploy(host.spec, unwatched)

    def rewire(connection: Any) -> None:
        text = connection.lookupByUUIDString(domain.identity(OWNER)).XMLDesc()
        head, tail = text.split("<interface type='network'>")
        kind = "bridge" if "bridge" in new else "network"
        assert old in tail
        connection.defineXML(f"{head}<interface type='{kind}'>{tail.replace(old, new, 1)}")

    host.daemon.ask(rewire)
    with pytest.raises(HypervisorError, match=f"{OWNER} is not started: .*{said}"):
        await host.provider().power(OWNER, on=True, grace=0)
    found = await host.provider().find(OWNER)
    assert found is not None
    assert not found.powered_on


@pytest.mark.shows(operation="destroy", fault="a domain of somebody else's")
async def test_a_domain_with_our_uuid_and_without_our_metadata_is_left_alone(host: LibvirtKind) -> None:
    text = _FOREIGN.format(name="copied", uuid=domain.identity(OWNER))
    host.daemon.ask(lambda connection: connection.defineXML(text))
    had, provider = host.there(), host.provider()
    try:
        for act in (
            provider.destroy(OWNER),
            provider.deploy(host.spec, unwatched),
            provider.power(OWNER, on=True, grace=0),
        ):
            with pytest.raises(HypervisorError, match="and not our metadata"):
                await act
        assert host.there() == had
    finally:
        host.daemon.ask(lambda connection: connection.lookupByUUIDString(domain.identity(OWNER)).undefine())


async def test_volumes_of_others_stay(host: LibvirtKind) -> None:
    other = kinds.renamed(host.spec, "acme-two")
    foreign = host.daemon.pool / f"causeway-{uuid.uuid4()}-x.qcow2"
    foreign.write_bytes(b"somebody else's")
    try:
        await host.provider().deploy(other, unwatched)
        had = host.there()
        await host.provider().deploy(host.spec, unwatched)
        await host.provider().destroy(OWNER)
        assert host.there() == had
    finally:
        foreign.unlink()
        await host.provider().destroy("acme-two")


@pytest.mark.shows(operation="power off", fault="guest that does not listen")
async def test_what_does_not_shut_down_in_time_is_cut(host: LibvirtKind) -> None:
    provider = host.provider()
    await provider.deploy(host.spec, unwatched)
    await provider.power(OWNER, on=True, grace=0)
    began = asyncio.get_running_loop().time()
    await provider.power(OWNER, on=False, grace=0.5)
    assert asyncio.get_running_loop().time() - began >= 0.5
    found = await provider.find(OWNER)
    assert found is not None
    assert not found.powered_on


@pytest.mark.parametrize("part", [0.0001, 0.5, 0.995, 0.9995])
@pytest.mark.shows(operation="deploy", fault="controller killed")
async def test_a_controller_killed_while_it_deploys_leaves_what_the_next_one_removes(
    host: LibvirtKind, part: float
) -> None:
    had = host.there()
    await killed_half_way(host, part)
    await host.provider().deploy(host.spec, unwatched)
    left = {name for name in host.there() - had if not name.startswith(f"volume {images.PREFIX}")}
    assert len(left) == len(("domain", "disk", "disc"))
    await host.provider().destroy(OWNER)
    assert host.there() == had


async def test_what_an_attempt_left_long_ago_goes_even_if_the_next_one_fails(host: LibvirtKind) -> None:
    abandoned, recent = (
        host.daemon.pool / f"causeway-{domain.identity(OWNER)}-{name}.qcow2" for name in ("dead", "slow")
    )
    for path in (abandoned, recent):
        path.write_bytes(bytes(100))
    old = time.time() - volumes.ABANDONED_SECONDS - 60
    os.utime(abandoned, (old, old))
    host.proxy.arm(Way.ASKED, host.image.stat().st_size // 2)
    with pytest.raises(HypervisorError):
        await host.provider().deploy(host.spec, unwatched)
    assert (abandoned.exists(), recent.exists()) == (False, True)


@pytest.mark.shows(operation="find", fault="host hangs")
async def test_a_host_that_hangs_is_given_up_and_costs_one_thread(host: LibvirtKind) -> None:
    provider = host.provider(patience=0.02)
    await host.direct().deploy(host.spec, unwatched)
    host.proxy.hold()
    for _ in range(3):
        with pytest.raises(HypervisorError, match="no answer within"):
            await provider.find(OWNER)
    host.proxy.release()
    assert await host.provider().find(OWNER) is not None


@pytest.mark.shows(operation="deploy", fault="host hangs")
async def test_an_upload_that_moves_nothing_is_given_up(
    host: LibvirtKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("causeway_controller.hypervisors.uploads._STALLED_SECONDS", 0.5)
    monkeypatch.setattr("causeway_controller.hypervisors.uploads._TAKE_BACK", (0.0,))
    had, provider = host.there(), host.provider(patience=0.1)

    def hold(phrase: str, fraction: float) -> None:
        if phrase.startswith("uploading") and fraction >= 0:
            host.proxy.hold()

    with pytest.raises(HypervisorError, match="took nothing of the disk"):
        await provider.deploy(host.spec, hold)
    host.proxy.cut()
    host.proxy.release()
    await host.provider().deploy(host.spec, unwatched)
    await host.provider().destroy(OWNER)
    assert host.there() == had


async def test_a_pool_that_is_not_there_is_named_with_those_that_are(host: LibvirtKind) -> None:
    session = Session("kvm1", lambda: binding.load().open(host.daemon.uri))
    provider = LibvirtProvider(host="kvm1", session=session, pool="none", image=host.image)
    (reason,) = await provider.preflight(host.spec)
    assert reason == f"host kvm1: the host has no pool none; there is {POOL}"
