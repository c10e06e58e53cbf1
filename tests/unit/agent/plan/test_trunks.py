"""VLANs on a trunk: adapters like others, and every way they cannot be meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_interface

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.errors import CompileError
from causeway_agent.plan.compile import base, trunks
from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model.objects import VLAN_PREFIX, Link, Vlan
from causeway_agent.plan.model.target import Facts, Target
from causeway_wire.desired import Desired, Failover, Idle, Partial
from causeway_wire.desired import Vlan as WireVlan
from causeway_wire.problem import ProblemType as P
from causeway_wire.types import MacAddress, VlanId
from tests import documents, strategies

change = msgspec.structs.replace

PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20", "2001:db8:0::20"),))
WHOLE = documents.provider(PARTIAL)
TRUNKED = documents.trunked(WHOLE)
FIRST, SECOND = "cwv100-000001", "cwv101-000001"
UNABLE = replace(documents.FACTS, vlan_8021q=False)


def vlan(index: int, **members: object) -> Desired:
    entries = list(TRUNKED.vlans)
    entries[index] = change(entries[index], **members)
    return change(TRUNKED, vlans=tuple(entries))


def trunk(**members: object) -> Desired:
    return change(TRUNKED, nics=(TRUNKED.nics[0], change(TRUNKED.nics[1], **members)))


def compiled(document: Desired, facts: Facts = documents.FACTS) -> Target:
    return compile_document(document, facts)


def refused(document: Desired, facts: Facts = documents.FACTS) -> list[tuple[str, str]]:
    with pytest.raises(CompileError) as caught:
        compile_document(document, facts)
    return [(problem.type, str(problem.pointer)) for problem in caught.value.problems]


def test_each_vlan_is_a_device_on_its_trunk_and_the_trunk_is_a_link_without_addresses() -> None:
    target = compiled(TRUNKED)
    assert target.vlans == {Vlan(FIRST, "eth1", 100, 1500), Vlan(SECOND, "eth1", 101, 1500)}
    assert target.links == {Link("eth0", 1500), Link("eth1", 1500)}
    assert target.devices == {"eth0", "eth1", FIRST, SECOND}
    assert not [address for address in target.addresses if address.device == "eth1"]


@pytest.mark.parametrize(
    "failover",
    [PARTIAL, documents.full("net-0", "net-1"), documents.rehearsal("net-0"), Idle()],
    ids=["partial", "full", "rehearsal", "idle"],
)
def test_a_trunk_changes_nothing_but_the_names_of_devices(failover: Failover) -> None:
    """Whatever the mode, what holds for a vNIC per VLAN holds for its VLAN on a trunk."""
    whole = documents.provider(failover)
    apart, together = compiled(whole), compiled(documents.trunked(whole))
    renamed = {"eth1": FIRST, "eth2": SECOND}
    for kind in ("addresses", "routes", "rules", "proxies"):
        assert {_renamed(item, renamed) for item in getattr(apart, kind)} == set(getattr(together, kind))
    for kind in ("tuns", "bridges", "ports"):
        assert getattr(apart, kind) == getattr(together, kind)
    text = repr(sorted(map(repr, apart.policy.forwards | apart.policy.sources | apart.policy.arp)))
    for old, new in renamed.items():
        text = text.replace(f"'{old}'", f"'{new}'")
    own = together.policy
    assert text == repr(sorted(map(repr, own.forwards | own.sources | own.arp)))


def _renamed(item: object, names: dict[str, str]) -> object:
    changes = {
        member: names[value]
        for member in ("device", "input_device")
        if (value := getattr(item, member, None)) in names
    }
    return replace(item, **changes)  # type: ignore[type-var]


@given(mac=strategies.MACS, identifier=st.integers(1, 4094))
def test_device_names_are_ours_fit_the_kernel_and_tell_identifiers_apart(
    mac: MacAddress, identifier: VlanId
) -> None:
    name = trunks.device(mac, identifier)
    assert name.startswith(VLAN_PREFIX)
    assert len(name) <= 15
    assert name != trunks.device(mac, identifier % 4094 + 1)


def test_a_device_is_called_what_the_document_calls_it_though_it_shares_its_trunk_s_mac() -> None:
    mac = TRUNKED.nics[1].mac
    told = [trunks.name(device, mac, TRUNKED.nics, TRUNKED.vlans) for device in (FIRST, SECOND, "eth1")]
    assert told == ["vlan-0", "vlan-1", "trunk"]
    assert trunks.name("cwv9-000001", mac, TRUNKED.nics, TRUNKED.vlans) is None


def test_a_kernel_without_vlans_refuses_and_names_the_other_way() -> None:
    with pytest.raises(CompileError) as caught:
        compiled(TRUNKED, UNABLE)
    problem = caught.value.problems[0]
    assert (problem.type, problem.pointer) == (P.UNSUPPORTED.urn, "/vlans/0")
    assert "8021q" in problem.detail
    assert "a vNIC per VLAN" in problem.detail
    assert compiled(WHOLE, UNABLE) == compiled(WHOLE)


def _on_the_trunk() -> Desired:
    """A production network without a tag beside tagged ones."""
    moved = change(documents.provider_network(0), nic="trunk")
    return change(
        TRUNKED,
        vlans=TRUNKED.vlans[1:],
        role=change(TRUNKED.role, networks=(moved, documents.provider_network(1))),
    )


REFUSALS: list[tuple[Callable[[], Desired], P, str]] = [
    (lambda: vlan(0, trunk="nowhere"), P.UNKNOWN_REFERENCE, "/vlans/0/trunk"),
    (lambda: vlan(0, trunk="vlan-1"), P.INVALID, "/vlans/0/trunk"),
    (lambda: vlan(1, id=100), P.DUPLICATE, "/vlans/1/id"),
    (lambda: vlan(1, name="uplink"), P.DUPLICATE, "/vlans/1/name"),
    (lambda: vlan(1, mtu=1501), P.INVALID, "/vlans/1/mtu"),
    (lambda: vlan(0, addresses=(ip_interface("10.9.0.2/24"),)), P.DUPLICATE, "/vlans/0/addresses/0"),
    (lambda: vlan(0, addresses=(ip_interface("172.16.0.9/24"),)), P.OUTSIDE_NETWORK, "/vlans/0/addresses/0"),
    (lambda: trunk(addresses=(ip_interface("192.168.0.9/24"),)), P.OVERLAP, "/role/networks/0/prefixes/0"),
    (_on_the_trunk, P.INVALID, "/role/networks/0/nic"),
]


@pytest.mark.parametrize(("make", "kind", "pointer"), REFUSALS, ids=[row[2] for row in REFUSALS])
def test_a_document_that_cannot_be_meant_is_refused_where_it_is_wrong(
    make: Callable[[], Desired], kind: P, pointer: str
) -> None:
    assert (kind.urn, pointer) in refused(make())


def test_one_identifier_on_two_trunks_is_two_vlans() -> None:
    second = documents.nic("trunk-2", 2)
    both = change(
        TRUNKED,
        nics=(*TRUNKED.nics, second),
        vlans=(TRUNKED.vlans[0], change(TRUNKED.vlans[1], trunk="trunk-2", id=100)),
    )
    assert {(each.device, each.parent) for each in compiled(both).vlans} == {
        (FIRST, "eth1"),
        ("cwv100-000002", "eth2"),
    }


def test_a_trunk_may_be_the_uplink_and_management_may_be_a_vlan() -> None:
    uplink = WHOLE.nics[0]
    inside = change(
        WHOLE,
        nics=(change(uplink, name="trunk", addresses=(ip_interface("172.16.0.2/24"),), gateways=()),),
        vlans=(
            WireVlan(name="uplink", trunk="trunk", id=9, addresses=uplink.addresses),
            *(change(each, trunk="trunk") for each in TRUNKED.vlans),
        ),
    )
    target = compiled(inside)
    assert target.management.device == "cwv9-000000"
    assert {door.device for door in target.policy.management} == {"cwv9-000000"}


def test_before_the_first_document_the_door_may_be_a_vlan() -> None:
    trunk_only = (change(WHOLE.nics[0], addresses=(), gateways=()),)
    door = documents.management("172.16.0.2", nic="office")
    office = WireVlan(name="office", trunk="uplink", id=7, addresses=(ip_interface("172.16.0.2/24"),))
    target = base.compile_base(management=door, nics=trunk_only, vlans=(office,), facts=documents.FACTS)
    assert target.management.interface.ip == ip_address("172.16.0.2")
    assert target.vlans == {Vlan("cwv7-000000", "eth0", 7, 1500)}
    with pytest.raises(CompileError):
        base.compile_base(management=door, nics=trunk_only, vlans=(office,), facts=UNABLE)
