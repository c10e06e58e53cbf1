"""What plans are made of and in which order, case by case; their laws are in `test_plan_laws`."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_interface

import msgspec
import pytest

from causeway_agent.plan.model.objects import KERNEL_RULES, MAIN_TABLE, Address, Route, Sysctl, Tun
from causeway_agent.plan.steer.diff import diff
from causeway_agent.plan.steer.operations import Announce, Drop, LoadPolicy, Operation, Put, Start, Stop
from causeway_wire.desired import Desired, Failover, Partial, ProviderNetwork
from tests import documents
from tests.planning import booted, carry_out, compiled

PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20", "2001:db8:0::20"),))


def test_the_same_target_needs_nothing() -> None:
    target = compiled(documents.provider(PARTIAL))
    assert not diff(booted(target).observe(target), target)


def test_the_kernels_own_rules_are_made_again_and_none_for_an_ip_version_that_is_not_used() -> None:
    target = compiled(documents.provider(PARTIAL))
    bare = replace(booted(target).observe(target), standing=frozenset())
    assert set(diff(bare, target).operations) == {Put(rule) for rule in KERNEL_RULES}
    addresses = frozenset(a for a in target.addresses if a.interface.version == 4)
    old = replace(target, addresses=addresses)
    bare = replace(bare, addresses=addresses)
    assert set(diff(bare, old).operations) == {Put(rule) for rule in KERNEL_RULES if rule.version == 4}


def test_claimed_addresses_are_probed_once_before_they_are_taken() -> None:
    idle, extended = compiled(documents.tenant()), compiled(documents.tenant(PARTIAL))
    machine = booted(idle)
    plan = diff(machine.observe(idle, extended), extended)
    assert {str(proxy.address) for proxy in plan.probes} == {"192.168.0.20", "2001:db8::20"}
    assert diff(booted(extended).observe(extended), extended).probes == ()


FULL = documents.full("net-0", "net-1")
REHEARSAL = documents.rehearsal("net-0")


def test_gateways_and_public_addresses_are_probed_and_claimed_when_all_else_stands() -> None:
    idle, full = compiled(documents.provider()), compiled(documents.provider(FULL))
    plan = diff(booted(idle).observe(idle, full), full)
    expected = {"192.168.0.1", "2001:db8::1", "192.168.1.1", "2001:db8:1::1", *documents.PUBLIC}
    assert {str(claim.address) for claim in plan.probes} == expected
    last = plan.operations[-2 * len(expected) :]
    assert {str(op.claim.address) for op in last if isinstance(op, Announce)} == expected
    put = {op.item for op in plan.operations if isinstance(op, Put) and isinstance(op.item, Address)}
    assert put == {op.item for op in last if isinstance(op, Put)}


def test_an_address_that_is_held_already_is_neither_probed_nor_announced() -> None:
    full = compiled(documents.provider(FULL))
    machine = booted(full)
    held = next(a for a in machine.addresses if a.claimed)
    machine.addresses.remove(held)
    machine.addresses.add(replace(held, prefix_route=True))
    plan = diff(machine.observe(full), full)
    assert plan.probes == ()
    assert not any(isinstance(op, Announce) for op in plan.operations)
    assert Put(held) in plan.operations


def test_without_a_claim_neither_its_address_nor_its_announcement_is_left() -> None:
    idle, full = compiled(documents.provider()), compiled(documents.provider(FULL))
    plan = diff(booted(idle).observe(idle, full), full)
    taken = plan.probes[0]
    left = plan.without({taken})
    assert len(plan.operations) - len(left) == 2
    assert Announce(taken) not in left
    assert plan.without(()) == plan.operations


def switches(operations: Iterable[Operation]) -> set[tuple[str, str]]:
    return {
        (op.item.key, op.item.value)
        for op in operations
        if isinstance(op, Put) and isinstance(op.item, Sysctl) and op.item.key.endswith("/forwarding")
    }


@pytest.mark.parametrize(("old", "new"), [(PARTIAL, FULL), (FULL, PARTIAL), (REHEARSAL, FULL)])
def test_an_escalation_never_stops_a_vlan_from_forwarding(old: Failover, new: Failover) -> None:
    before, after = compiled(documents.provider(old)), compiled(documents.provider(new))
    told = switches(diff(booted(before).observe(before, after), after).operations)
    assert not any("/eth1/" in key or "ipv6/conf/all" in key for key, _ in told)


def test_a_full_failover_that_grows_leaves_what_it_serves_alone() -> None:
    before = compiled(documents.provider(documents.full("net-0"), public=documents.PUBLIC[:1]))
    after = compiled(documents.provider(FULL))
    machine = booted(before)
    kept = before.policy
    for operation in diff(machine.observe(before, after), after).operations:
        machine.apply(operation)
        assert not isinstance(operation, Drop)
        assert machine.policy is not None
        for kind in ("management", "owned", "ways", "internet", "echoes", "sources"):
            assert getattr(machine.policy, kind) >= getattr(kept, kind), kind
        assert machine.addresses >= before.addresses
        assert machine.sysctls["net/ipv4/conf/eth1/forwarding"] == "1"


def test_undoing_a_full_failover_gives_every_address_back() -> None:
    idle = compiled(documents.provider())
    machine = booted(idle, compiled(documents.provider(FULL)))
    carry_out(machine, idle, idle)
    assert machine.addresses - {machine.foreign} == idle.addresses
    assert not machine.rules
    assert not any(route.table != MAIN_TABLE for route in machine.routes)


@pytest.mark.parametrize(
    ("document", "device"),
    [(documents.provider(PARTIAL), "cwt1195"), (documents.tenant(PARTIAL), "cwtun1")],
    ids=("provider", "tenant"),
)
def test_another_way_of_the_tunnel_replaces_routes_in_place_and_loads_no_policy(
    document: Desired, device: str
) -> None:
    before, after = compiled(document), compiled(document, {"acme-0": device})
    operations = diff(booted(before).observe(before), after).operations
    assert operations
    assert all(isinstance(op, Put) and isinstance(op.item, Route) for op in operations)


def test_a_changed_policy_alone_is_one_load() -> None:
    old = compiled(documents.provider(PARTIAL))
    new = compiled(documents.provider(PARTIAL, door=documents.management(sources=("10.1.0.0/16",))))
    assert diff(booted(old).observe(old), new).operations == (LoadPolicy(new.policy),)


def test_an_unreadable_policy_alone_is_loaded_once_so_that_traffic_goes_on() -> None:
    target = compiled(documents.provider(PARTIAL))
    machine = booted(target)
    machine.policy = None
    assert diff(machine.observe(target), target).operations == (LoadPolicy(target.policy),)


def test_a_fresh_machine_is_closed_before_anything_is_added() -> None:
    target = compiled(documents.provider(PARTIAL))
    machine = booted()
    operations = diff(machine.observe(target), target).operations
    loads = [op for op in operations if isinstance(op, LoadPolicy)]
    assert [load.policy.forwards for load in loads] == [frozenset(), target.policy.forwards]
    before = operations[: operations.index(loads[0])]
    assert all(isinstance(op, Put) and isinstance(op.item, Sysctl) for op in before)


def test_a_known_previous_policy_stands_in_for_an_unreadable_one() -> None:
    old, new = compiled(documents.provider(PARTIAL)), compiled(documents.provider())
    machine = booted(old)
    machine.policy = None
    first = next(
        op for op in diff(machine.observe(old), new, old.policy).operations if isinstance(op, LoadPolicy)
    )
    assert first.policy.guarded == old.policy.guarded | new.policy.guarded


def test_losing_the_last_address_puts_routes_and_claims_again() -> None:
    target = compiled(documents.tenant(PARTIAL))
    machine = booted(target)
    old = next(a for a in machine.addresses if str(a.interface) == "192.168.0.6/24")
    machine.apply(Drop(old))
    assert not [p for p in machine.proxies if p.address.version == 4]
    carry_out(machine, target, target)
    assert frozenset(machine.proxies) == target.proxies
    assert frozenset(machine.routes) == target.routes


def test_a_renumbered_device_keeps_its_routes_because_the_new_address_comes_first() -> None:
    target = compiled(documents.tenant(PARTIAL))
    machine = booted(target)
    kept = next(a for a in machine.addresses if str(a.interface) == "192.168.0.6/24")
    machine.apply(Put(Address(kept.device, ip_interface("192.168.0.66/24"))))
    machine.apply(Drop(kept))
    before = copy.copy(machine.routes)
    operations = diff(machine.observe(target), target).operations
    assert [type(op) for op in operations if isinstance(getattr(op, "item", None), Address)] == [Put, Drop]
    for operation in operations:
        machine.apply(operation)
    assert before <= machine.routes


def test_changing_the_only_address_of_a_device_puts_its_routes_again() -> None:
    target = compiled(documents.provider(PARTIAL))
    machine = booted(target)
    right = next(a for a in machine.addresses if str(a.interface) == "192.168.0.5/24")
    machine.addresses.remove(right)
    machine.addresses.add(replace(right, prefix_route=True))
    carry_out(machine, target, target)
    assert not diff(machine.observe(target), target)


def test_a_second_route_to_the_same_place_is_dropped() -> None:
    target = compiled(documents.provider(PARTIAL))
    machine = booted(target)
    six = next(r for r in machine.routes if r.destination.version == 6 and r.device == "cwu1195")
    second = replace(six, device="cwt1195")
    machine.routes.add(second)
    assert diff(machine.observe(target), target).operations == (Drop(second),)


def test_an_ipv6_address_of_another_length_is_dropped_before_it_is_put() -> None:
    target = compiled(documents.provider(PARTIAL))
    machine = booted(target)
    right = next(a for a in machine.addresses if str(a.interface) == "2001:db8::5/64")
    machine.addresses -= {right}
    machine.addresses.add(replace(right, interface=ip_interface("2001:db8::5/48")))
    carry_out(machine, target, target)
    assert not diff(machine.observe(target), target)


def test_a_changed_process_is_replaced_and_one_without_its_tun_is_stopped() -> None:
    old = compiled(documents.provider(PARTIAL))
    changed = compiled(documents.provider(PARTIAL, networks=(moved_port(), documents.provider_network(1))))
    operations = diff(booted(old).observe(old), changed).operations
    stopped = [op.process.name for op in operations if isinstance(op, Stop)]
    assert stopped == ["vpn-acme-0-udp", "vpn-acme-0-tcp"]
    drops = [i for i, op in enumerate(operations) if isinstance(op, Drop) and isinstance(op.item, Tun)]
    starts = [i for i, op in enumerate(operations) if isinstance(op, Start)]
    assert max(drops) < min(starts)


def moved_port() -> ProviderNetwork:
    network = documents.provider_network(0)
    assert network.tunnel is not None
    tunnel = msgspec.structs.replace(network.tunnel, port=2001)
    return msgspec.structs.replace(network, tunnel=tunnel)


def test_no_first_packet_waits_for_the_fallback() -> None:
    target = compiled(documents.tenant(PARTIAL))
    operations = diff(booted().observe(target), target).operations
    started = [op.process.name for op in operations if isinstance(op, Start)]
    assert started == ["vpn-acme-0", "path-acme-0", "tls-acme-0"]
    assert isinstance(operations[-1], Start)


def test_a_proxy_that_takes_over_begins_before_everything_that_is_added() -> None:
    old, new = (
        compiled(documents.gateway(*(documents.gateway_tunnel(n) for n in range(count)))) for count in (1, 2)
    )
    operations = diff(booted(old).observe(old, new), new).operations
    started = [op.process.name for op in operations if isinstance(op, Start)]
    assert started == ["gateway-tls", "first-packet"]
