"""Devices below IP are made before what rests on them and abolished after; nobody joins too early."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model.objects import Address, Bridge, BridgePort, Link, Route, Sysctl, Tun, Vlan
from causeway_agent.plan.model.policy import Forward
from causeway_agent.plan.model.processes import NeighbourResponder
from causeway_agent.plan.model.target import Observation, Target
from causeway_agent.plan.steer.diff import diff
from causeway_agent.plan.steer.layer2 import changes
from causeway_agent.plan.steer.operations import Drop, LoadPolicy, Operation, Put, Stop
from tests import documents
from tests.fakes.kernel import KernelModel

BASE = compile_document(documents.provider(), documents.FACTS)
TUN = Tun("cwu1195", 1500, 500, None)
TAP = replace(TUN, ethernet=True)
BRIDGE = Bridge("cwb1195", 1500)
PORTS = frozenset({BridgePort("eth1", BRIDGE.device), BridgePort(TAP.device, BRIDGE.device, isolated=True)})
OWN = frozenset(address for address in BASE.addresses if address.device == "eth1")
FORWARDING = f"net/ipv4/conf/{TUN.device}/forwarding"


def bridged(**members: object) -> Target:
    """The adapter eth1 and a tap are ports of a bridge, and the adapter has no address."""
    whole = replace(
        BASE,
        addresses=BASE.addresses - OWN,
        tuns=frozenset({TAP}),
        bridges=frozenset({BRIDGE}),
        ports=PORTS,
        sysctls=BASE.sysctls | {Sysctl(FORWARDING, "0")},
    )
    return replace(whole, **members)  # type: ignore[arg-type]


def routed() -> Target:
    """A tun of the same name, with a route and an address on it."""
    return replace(
        BASE,
        tuns=frozenset({TUN}),
        addresses=BASE.addresses | {Address(TUN.device, ip_interface("100.64.0.1/32"), prefix_route=False)},
        routes=BASE.routes | {Route(ip_network("203.0.113.0/24"), TUN.device, 1195)},
        sysctls=BASE.sysctls | {Sysctl(FORWARDING, "1")},
        policy=replace(BASE.policy, forwards=frozenset({Forward("eth1", TUN.device)})),
    )


def vlans(*each: Vlan) -> Target:
    return replace(BASE, vlans=frozenset(each), devices=BASE.devices | {vlan.device for vlan in each})


STATES = st.sampled_from(
    [
        BASE,
        bridged(),
        routed(),
        bridged(ports=frozenset({BridgePort("eth1", BRIDGE.device)})),
        bridged(bridges=frozenset({replace(BRIDGE, mtu=1400)})),
        vlans(Vlan("cwv1-000001", "eth1", 1, 1500)),
        vlans(Vlan("cwv1-000001", "eth2", 1, 1400), Vlan("cwv2-000001", "eth1", 2, 1500)),
        vlans(Vlan("cwv9-000001", "eth1", 1, 1500)),
    ]
)


def after(machine: KernelModel, target: Target, *seen: Target) -> tuple[Operation, ...]:
    operations = diff(machine.observe(*seen, target), target).operations
    for operation in operations:
        machine.apply(operation)
    return operations


def machine_of(*targets: Target) -> KernelModel:
    machine = KernelModel(adapters=frozenset(documents.DEVICES.values()))
    for index, target in enumerate(targets):
        after(machine, target, *targets[:index])
    return machine


@settings(deadline=None)
@given(old=STATES, new=STATES, third=STATES, stopped=st.integers(0, 60))
def test_every_change_of_shape_arrives_also_from_the_middle_of_another(
    old: Target, new: Target, third: Target, stopped: int
) -> None:
    machine = machine_of(old)
    for operation in diff(machine.observe(old, new), new).operations[:stopped]:
        machine.apply(operation)
    after(machine, third, old, new)
    assert not diff(machine.observe(old, new, third), third)
    seen = machine.observe(old, new, third)
    for kind in ("vlans", "tuns", "bridges", "ports", "addresses", "routes"):
        assert getattr(seen, kind) == getattr(third, kind), kind
    assert third.sysctls <= seen.sysctls


@settings(deadline=None)
@given(old=STATES, new=STATES)
def test_ports_join_between_the_closing_policy_and_the_opening_one(old: Target, new: Target) -> None:
    opened = replace(new, policy=replace(new.policy, forwards=frozenset({Forward("eth0", "eth1")})))
    machine = machine_of(old)
    operations = diff(machine.observe(old, opened), opened).operations
    joins = [i for i, op in enumerate(operations) if isinstance(op, Put) and isinstance(op.item, BridgePort)]
    loads = [i for i, op in enumerate(operations) if isinstance(op, LoadPolicy)]
    assert all(place < loads[-1] for place in joins)


def test_a_tunnel_that_changes_its_kind_loses_its_process_first_and_its_settings_last() -> None:
    operations = after(machine_of(routed()), bridged(), routed())
    drop, put = operations.index(Drop(TUN)), operations.index(Put(TAP))
    assert drop < put < operations.index(Put(Sysctl(FORWARDING, "0")))
    assert not [op for op in operations if isinstance(op, Drop) and isinstance(op.item, Route)]


def test_addresses_leave_an_adapter_before_it_becomes_a_port_and_come_when_it_is_none() -> None:
    joining = after(machine_of(BASE), bridged(), BASE)
    lost = [i for i, op in enumerate(joining) if isinstance(op, Drop) and op.item in OWN]
    assert lost
    assert max(lost) < joining.index(Put(BridgePort("eth1", BRIDGE.device)))
    leaving = after(machine_of(bridged()), BASE, bridged())
    regained = [i for i, op in enumerate(leaving) if isinstance(op, Put) and op.item in OWN]
    assert regained
    assert leaving.index(Drop(BridgePort("eth1", BRIDGE.device))) < min(regained)


def test_an_isolated_port_that_lost_its_isolation_is_put_again_and_leaves_nothing() -> None:
    machine = machine_of(bridged())
    port = next(port for port in machine.ports if port.isolated)
    machine.ports = machine.ports - {port} | {replace(port, isolated=False)}
    assert after(machine, bridged()) == (Put(port),)


def test_whoever_put_our_adapter_into_another_bridge_is_undone() -> None:
    stray = BridgePort("eth1", "br-other")
    assert changes(replace(_seen(), ports=frozenset({stray})), BASE).release == (Drop(stray),)


def test_a_vlan_that_another_device_carries_goes_before_it_is_made() -> None:
    old, new = Vlan("cwv1-000001", "eth1", 1, 1500), Vlan("cwv1-0000aa", "eth1", 1, 1500)
    operations = after(machine_of(vlans(old)), vlans(new), vlans(old))
    assert operations.index(Drop(old)) < operations.index(Put(new))


def test_a_vlan_that_nobody_is_in_the_way_of_is_abolished_after_the_new_one_stands() -> None:
    old, new = Vlan("cwv1-000001", "eth1", 1, 1500), Vlan("cwv2-000001", "eth1", 2, 1500)
    operations = after(machine_of(vlans(old)), vlans(new), vlans(old))
    assert operations.index(Put(new)) < operations.index(Drop(old))


def test_a_process_on_a_device_that_is_made_anew_is_stopped_and_started() -> None:
    old, new = Vlan("cwv1-000001", "eth1", 1, 1500), Vlan("cwv1-000001", "eth2", 1, 1500)
    responder = NeighbourResponder(device=old.device, prefixes=(), excluded=())
    seen = replace(_seen(), vlans=frozenset({old}), processes=frozenset({responder}))
    below = changes(seen, vlans(new))
    assert below.release == (Stop(responder), Drop(old))
    assert below.remaining.processes == frozenset()


def test_a_trunk_comes_up_before_its_vlans_and_takes_them_along_when_it_falls() -> None:
    target = vlans(Vlan("cwv1-000001", "eth1", 1, 1500))
    machine = machine_of(target)
    trunk = Link("eth1", 1500)
    machine.apply(Drop(trunk))
    assert {vlan.mtu for vlan in machine.observe(target).vlans} == {0}
    operations = after(machine, target)
    assert operations.index(Put(trunk)) < operations.index(Put(next(iter(target.vlans))))
    assert not diff(machine.observe(target), target)


def test_the_same_shape_needs_nothing() -> None:
    for target in (bridged(), routed(), vlans(Vlan("cwv1-000001", "eth1", 1, 1500))):
        assert not diff(machine_of(target).observe(target), target)


def _seen() -> Observation:
    return machine_of(BASE).observe(BASE)
