"""Tunnels that the kernel carries: what both ends plan, and that devices may come and go under it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_network

import pytest

from causeway_agent.plan.compile import kernel_carried
from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model.objects import MAIN_TABLE, ProcessDevice, Route, Rule
from causeway_agent.plan.model.processes import PathProbe, VpnClient, VpnServer
from causeway_agent.plan.model.target import Observation, Target
from causeway_agent.plan.steer import lent
from causeway_agent.plan.steer.diff import diff
from causeway_agent.plan.steer.operations import Drop
from causeway_wire.desired import Desired, Partial
from causeway_wire.observed import Transport
from tests import documents
from tests.fakes.kernel import KernelModel
from tests.planning import booted, carry_out, compiled

PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20", "2001:db8:0::20"),))
PROVIDER, TENANT = documents.provider(PARTIAL), documents.tenant(PARTIAL)
CAPABLE = replace(documents.FACTS, no_offload=None)
SERVERS_DEVICE, FALLBACK = "cwu1195", "cwt1195"


def carried(document: Desired, active: str | None = None) -> Target:
    facts = CAPABLE if active is None else replace(CAPABLE, active={"acme-0": active})
    return compile_document(document, facts)


def on(target: Target, device: str) -> bool:
    """Whether anything of the target rests on the device."""
    names = {item.device for item in target.addresses} | {item.device for item in target.routes}
    return device in names or any(device in setting.key.split("/") for setting in target.sysctls)


@pytest.mark.parametrize("document", [PROVIDER, TENANT])
def test_where_the_kernel_cannot_nothing_is_other_than_it_was(document: Desired) -> None:
    target = compiled(document)
    assert target.lent == frozenset()
    assert not any(rule.protocol or rule.table == kernel_carried.TABLE for rule in target.rules)
    for process in target.processes:
        assert not isinstance(process, VpnServer) or not process.makes_device
        assert not isinstance(process, VpnClient) or not process.made
        assert not isinstance(process, PathProbe) or not process.lent


def test_a_bridged_extension_stays_with_its_process() -> None:
    assert carried(PROVIDER).lent == {ProcessDevice(SERVERS_DEVICE, 1500)}
    for document in (PROVIDER, TENANT):
        assert carried(documents.bridged(document)).lent == frozenset()


def test_the_server_over_udp_makes_its_device_and_the_one_over_tcp_does_not() -> None:
    target = carried(PROVIDER)
    makes = {
        process.transport: process.makes_device
        for process in target.processes
        if isinstance(process, VpnServer)
    }
    assert makes == {Transport.UDP: True, Transport.TCP: False}
    assert SERVERS_DEVICE not in {tun.device for tun in target.tuns}
    assert FALLBACK in {tun.device for tun in target.tuns}


def test_routes_into_the_servers_device_lead_by_its_one_client_and_others_by_nobody() -> None:
    for active, vias in ((SERVERS_DEVICE, set(kernel_carried.CLIENT.values())), (FALLBACK, {None})):
        routes = [route for route in carried(PROVIDER, active).routes if route.table == 1195]
        assert {route.via for route in routes if route.device == active} == vias


def test_the_kernels_question_about_a_source_finds_the_client_and_what_is_sent_does_not() -> None:
    target = carried(PROVIDER)
    found = {route for route in target.routes if route.table == kernel_carried.TABLE}
    assert found == {
        Route(ip_network(prefix), FALLBACK, kernel_carried.TABLE, via=kernel_carried.CLIENT[version])
        for version, prefix in ((4, "0.0.0.0/0"), (6, "::/0"))
    }
    asked = sorted(
        (rule for rule in target.rules if rule.input_device == "lo"), key=lambda rule: rule.priority
    )
    for version, protocols in ((4, {1, 6, 17}), (6, {6, 17, 58})):
        *sent, last = [rule for rule in asked if rule.version == version]
        # What the main table has no way for must not go into a tunnel: it goes nowhere.
        for table, some in ((MAIN_TABLE, sent[:3]), (None, sent[3:])):
            assert {rule.protocol for rule in some} == protocols
            assert {rule.table for rule in some} == {table}
        assert last == Rule(version, 1004, kernel_carried.TABLE, input_device="lo")
    # Networks come first: what has an address of theirs, or came in on their devices, is theirs.
    assert max(rule.priority for rule in target.rules - set(asked)) < min(rule.priority for rule in asked)


def test_the_client_has_devices_of_either_kind_and_each_way_one_that_suits_it() -> None:
    target = carried(TENANT)
    (client,) = [process for process in target.processes if isinstance(process, VpnClient)]
    assert {tun.device for tun in target.tuns} == {"cwtun0", "cwtun1"}
    assert {item.device for item in target.lent} == {"cwtun2", "cwtun3"}
    for place, endpoint in enumerate(client.endpoints):
        devices = {client.devices[slot] for slot in client.suiting(place)}
        udp = endpoint.transport is Transport.UDP
        assert devices == ({"cwtun2", "cwtun3"} if udp else {"cwtun0", "cwtun1"})


def test_before_the_first_way_is_up_routes_lead_where_it_will_be() -> None:
    for target, device in ((carried(TENANT), "cwtun2"), (compiled(TENANT), "cwtun0")):
        into = {route.device for route in target.routes if route.mtu is not None and not route.metric}
        assert into == {device}


def test_without_the_kernel_each_way_may_be_on_any_device() -> None:
    (client,) = [one for one in compiled(TENANT).processes if isinstance(one, VpnClient)]
    assert {client.suiting(place) for place in range(len(client.endpoints))} == {(0, 1)}


@pytest.mark.parametrize(
    ("document", "device", "always"), [(PROVIDER, SERVERS_DEVICE, FALLBACK), (TENANT, "cwtun2", "cwtun0")]
)
def test_while_a_device_is_not_there_packets_for_it_find_no_way_by_another_table(
    document: Desired, device: str, always: str
) -> None:
    target = carried(document, device)

    def ways(routes: Iterable[Route], by: str) -> set[tuple[object, int]]:
        return {(route.destination, route.table) for route in routes if route.device == by}

    missing = lent.standing(target, Observation())
    wanted = {way for way in ways(target.routes, device) if way[1] != kernel_carried.TABLE}
    assert wanted
    assert not ways(missing.routes, device)
    assert wanted <= ways(missing.routes, always)
    assert all(route.metric for route in missing.routes if route.device == always and route.via is None)


@pytest.mark.parametrize("device", ["cwtun2", SERVERS_DEVICE])
def test_all_devices_of_a_tunnel_are_guarded_before_they_are_there(device: str) -> None:
    document = PROVIDER if device == SERVERS_DEVICE else TENANT
    policy = carried(document).policy
    assert device in policy.guarded
    assert device in {guard.device for guard in policy.sources}
    assert device in {clamp.device for clamp in policy.clamps}


def test_the_plan_to_an_extension_ends_with_the_servers_device_set_up_once_its_process_made_it() -> None:
    target = carried(PROVIDER, SERVERS_DEVICE)
    machine = booted(target)
    assert {item.mtu for item in machine.lent} == {0}  # made, and nobody has set it up yet
    assert not on_machine(machine, SERVERS_DEVICE)
    carry_out(machine, target, target)
    assert machine.lent == {ProcessDevice(SERVERS_DEVICE, 1500)}
    assert on(target, SERVERS_DEVICE)
    assert not diff(machine.observe(target), target)


def on_machine(machine: KernelModel, device: str) -> bool:
    names = {item.device for item in machine.addresses} | {item.device for item in machine.routes}
    return device in names or any(device in key.split("/") for key in machine.sysctls)


def test_a_device_that_vanished_and_came_back_gets_all_again() -> None:
    target = carried(PROVIDER, SERVERS_DEVICE)
    machine = booted(target)
    carry_out(machine, target, target)
    whole = machine.observe(target)
    machine.apply(Drop(ProcessDevice(SERVERS_DEVICE, 1500)))
    assert not diff(machine.observe(target), target)  # nothing can be done for it
    machine.lent.add(ProcessDevice(SERVERS_DEVICE, 0))
    carry_out(machine, target, target)
    assert machine.observe(target) == whole


def test_a_device_that_nobody_wants_any_more_is_taken_away() -> None:
    target, idle = carried(PROVIDER), carried(documents.provider())
    machine = booted(target)
    machine.processes = {
        name: process for name, process in machine.processes.items() if not isinstance(process, VpnServer)
    }
    carry_out(machine, idle, target, idle)
    assert machine.lent == set()


def test_a_process_is_not_stopped_because_its_device_is_not_there() -> None:
    target = carried(PROVIDER, SERVERS_DEVICE)
    machine = booted(target)
    carry_out(machine, target, target)
    machine.apply(Drop(ProcessDevice(SERVERS_DEVICE, 1500)))
    assert diff(machine.observe(target), target).operations == ()


def test_at_no_moment_what_this_machine_sends_itself_finds_the_table_that_leads_into_a_tunnel() -> None:
    """A plan may stop anywhere."""
    target, idle = carried(PROVIDER), carried(documents.provider())
    machine = booted(idle)
    for after in (target, idle):
        for operation in diff(machine.observe(target, idle), after).operations:
            machine.apply(operation)
            for last in (rule for rule in machine.rules if rule.table == kernel_carried.TABLE):
                ahead = [rule for rule in machine.rules if rule.protocol and rule.version == last.version]
                assert len(ahead) == 6, operation
        assert any(rule.table == kernel_carried.TABLE for rule in machine.rules) is (after is target)
