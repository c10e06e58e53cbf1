"""What the inventory and the mode alone say of a packet's way."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from causeway_controller.failover import paths
from causeway_controller.failover.paths import Place
from causeway_controller.inventory.modes import Full, Idle, Mode, Partial
from tests.workflow_bench import SITE

TENANT = SITE.tenants["acme"]
FIRST, SECOND = list(TENANT.vms.values())[:2]
ROUTER = next(iter(TENANT.networks.values())).gateways[0]
STRANGER = ip_address("203.0.113.99")
PARTIAL = Partial(frozenset({FIRST.name}))


def at(mode: Mode, source: object, destination: object) -> paths.Path:
    return paths.path(TENANT, mode, ip_address(str(source)), ip_address(str(destination)), host="esx1")


def test_while_nothing_is_failed_over_no_appliance_decides() -> None:
    found = at(Idle(), ROUTER, FIRST.addresses[0])
    assert "nothing of acme is failed over" in found.decided
    assert f"`causeway failover partial acme {FIRST.name} --host esx1`" in found.advice
    assert found.crosses is None


def test_at_a_providers_it_is_advised_to_ask_the_tenants_controller_which_leads() -> None:
    alone = replace(TENANT, appliances={})
    router = ip_address(str(ROUTER))
    for mode, source, vm in ((Idle(), FIRST.addresses[0], FIRST.name), (PARTIAL, STRANGER, "VM")):
        found = paths.path(alone, mode, source, router, host="esx1")
        assert f"causeway failover ask acme {vm} --host esx1" in found.advice
        assert "failover partial" not in found.advice


def test_from_production_to_a_replica_goes_through_the_networks_tunnel() -> None:
    found = at(PARTIAL, ROUTER, FIRST.addresses[0])
    assert (found.source.place, found.destination.place) == (Place.PRODUCTION, Place.REPLICA)
    assert (found.decided, found.crosses) == ("", FIRST.network)
    back = at(PARTIAL, FIRST.addresses[0], ROUTER)
    assert (back.decided, back.crosses) == ("", FIRST.network)


def test_what_stays_in_production_meets_no_appliance() -> None:
    assert "neither end is failed over" in at(PARTIAL, ROUTER, STRANGER).decided


def test_two_replicas_of_a_network_meet_on_its_vlan() -> None:
    same = [vm for vm in TENANT.vms.values() if vm.network == FIRST.network][:2]
    mode = Full(frozenset(vm.name for vm in same))
    found = at(mode, same[0].addresses[0], same[1].addresses[0])
    assert f"VLAN of network {FIRST.network}" in found.decided


def test_in_full_failover_nothing_goes_through_a_tunnel() -> None:
    found = at(Full(frozenset({FIRST.name})), STRANGER, FIRST.addresses[0])
    assert (found.decided, found.crosses, found.source.place) == ("", None, Place.ELSEWHERE)
    assert str(found.destination) == f"{FIRST.name} ({FIRST.addresses[0]})"


def test_two_versions_never_talk() -> None:
    assert "never talk" in at(PARTIAL, "2001:db8::1", "192.0.2.1").decided


@pytest.mark.parametrize(("address", "theirs"), [(ROUTER, True), (STRANGER, False)])
def test_whose_address_it_is(address: object, *, theirs: bool) -> None:
    assert paths.concerns(TENANT, ip_address(str(address))) is theirs
