"""A real daemon looked at: what it lacks is said, and it is afterwards as it was."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from causeway_controller.contract.hosts import Finding, Grade, Topic
from causeway_controller.hypervisors import findings
from causeway_controller.hypervisors.libvirt import volumes
from causeway_controller.hypervisors.libvirt.provider import LibvirtProvider
from causeway_controller.inventory.host_needs import BridgeNeed, HostNeeds, PoolNeed, TrunkNeed
from tests.conformance import kinds, volatile
from tests.conformance.kinds import OWNER, LibvirtKind
from tests.libvirtd import POOL, Libvirtd

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(60)]

NEEDS = HostNeeds(networks=("left", "bridge:cw-right"), appliances=(OWNER,))
_NETWORK = """<network><name>{name}</name><forward mode='nat'/><bridge name='{name}'/><port isolated='yes'/>
<ip address='198.51.100.1' netmask='255.255.255.0'><dhcp>
<range start='198.51.100.9' end='198.51.100.20'/></dhcp></ip></network>"""


@pytest_asyncio.fixture
async def host(daemon: Libvirtd, place: Path) -> AsyncIterator[LibvirtKind]:
    async with kinds.libvirt(daemon, Path(tempfile.mkdtemp(dir=place))) as kind:
        yield kind


async def look(host: LibvirtKind, needs: HostNeeds = NEEDS) -> dict[Topic, list[Finding]]:
    """What is found, by topic; the host is not changed by it."""
    before = state(host)
    found: dict[Topic, list[Finding]] = {}
    for one in (await host.provider().inspect(needs)).findings:
        found.setdefault(one.topic, []).append(one)
    assert state(host) == before
    return found


def state(host: LibvirtKind) -> list[str]:
    def read(connection: Any) -> list[str]:
        there = (
            *connection.listAllDomains(),
            *connection.listAllNetworks(),
            *connection.listAllStoragePools(),
        )
        return [one.XMLDesc() for one in there]

    described: list[str] = host.daemon.ask(read)
    return described


def problems(found: dict[Topic, list[Finding]]) -> list[str]:
    return [one.text for each in found.values() for one in each if one.grade is Grade.PROBLEM]


@contextmanager
def network(host: LibvirtKind, described: str) -> Iterator[None]:
    defined = host.daemon.ask(lambda connection: connection.networkDefineXML(described).name())
    yield
    host.daemon.ask(lambda connection: connection.networkLookupByName(defined).undefine())


async def test_a_host_with_everything_has_no_problem(host: LibvirtKind) -> None:
    found = await look(host)
    assert problems(found) == []
    assert {Topic.IDENTITY, Topic.RIGHTS, Topic.NETWORKS, Topic.STORAGE, Topic.TRAPS} <= set(found)
    assert "enough for 1 more appliances" in found[Topic.STORAGE][0].text
    await host.provider().deploy(host.spec, lambda *_: None)
    assert "enough" not in (await look(host))[Topic.STORAGE][0].text


async def test_what_is_not_there_is_said(host: LibvirtKind) -> None:
    needs = replace(
        NEEDS,
        networks=("nowhere",),
        vlans=(("bridge:cw-vlan{vlan}", 7), ("bridge:cw-vlan{vlan}", 8)),
        trunks=(TrunkNeed(tenant="acme", switch="bridge:b{vlan}", vlans=(7, 8)),),
    )
    said = problems(await look(host, needs))
    assert [one.split(";")[0] for one in said] == [
        "the host has no network nowhere",
        "the host has no bridge cw-vlan8",
        "the appliances of acme have trunks, which a libvirt host's machines cannot",
    ]


async def test_vlans_that_may_be_given_out_are_a_warning(host: LibvirtKind) -> None:
    pools = (PoolNeed(pool="internet", switch="bridge:cw-vlan{vlan}", vlans=range(7, 10)),)
    found = await look(host, replace(NEEDS, vlans=(("bridge:cw-vlan{vlan}", 7),), pools=pools))
    assert problems(found) == []
    (warned,) = (one for one in found[Topic.NETWORKS] if one.grade is Grade.WARNING)
    assert warned.text == "2 of 2 free VLANs of pool internet have nothing on the host: 8, 9"


async def test_traps_of_a_network_are_named(host: LibvirtKind) -> None:
    with network(host, _NETWORK.format(name="cwtrap0")):
        found = await look(host, replace(NEEDS, networks=("cwtrap0",)))
    said = "\n".join(one.text for one in found[Topic.TRAPS])
    assert "does not start by itself" in said
    assert "answers DHCP on network cwtrap0" in said
    assert "ports of network cwtrap0 are isolated" in said
    assert "network cwtrap0 is not active" in "\n".join(problems(found))


async def test_a_network_whose_bridge_learns_nothing_stops_only_a_bridge(
    host: LibvirtKind,
) -> None:
    described = "<network><name>cwtrap1</name><bridge name='cwtrap1' macTableManager='libvirt'/></network>"
    needs = replace(NEEDS, vlans=(("cwtrap{vlan}", 1),))
    with network(host, described):
        routed = problems(await look(host, needs))
        bridged = problems(await look(host, replace(needs, bridged_vlans=needs.vlans)))
        own = BridgeNeed(network="cwtrap1", mac="02:00:00:00:00:01")
        named = problems(await look(host, replace(NEEDS, networks=(own.network,), bridges=(own,))))
    (said,) = set(bridged) - set(routed)
    assert said.startswith("libvirt keeps the MAC addresses of network cwtrap1")
    assert set(routed) < set(bridged)
    assert said in named, "also where a tenant's own appliance is plugged in by name"


async def test_a_pool_with_room_for_the_disk_and_not_for_the_image_beside_it(host: LibvirtKind) -> None:
    try:
        volatile.leave(host.daemon.pool, volumes.disk_size(host.image) + host.image.stat().st_size // 2)
        host.daemon.ask(lambda connection: volumes.pool(connection, POOL))  # a check does not refresh it
        found = await look(host)
    finally:
        volatile.leave(host.daemon.pool, None)
    assert problems(found) == []
    (warned,) = (one for one in found[Topic.STORAGE] if one.grade is Grade.WARNING)
    assert "no room for the image beside those disks" in warned.text


async def test_a_pool_without_room_and_one_that_is_not_there(host: LibvirtKind) -> None:
    left = host.daemon.ask(lambda connection: volumes.available(volumes.pool(connection, POOL)))
    many = left // volumes.disk_size(host.image) + 1
    each = volumes.disk_size(host.image)
    full = findings.room(f"pool {POOL}", left=left, each=each, missing=many, instead="name other storage")
    assert (full.grade, f"{many} appliances are missing there" in full.text) == (Grade.PROBLEM, True)
    elsewhere = LibvirtProvider(
        host="kvm1", session=host.direct()._session, pool="nowhere", image=host.image.with_name("none")
    )
    said = [one.text for one in (await elsewhere.inspect(NEEDS)).findings if one.topic is Topic.STORAGE]
    assert said[0].startswith("the appliance's image cannot be read")
    assert said[1].startswith(f"the host has no pool nowhere; there is {POOL}")
