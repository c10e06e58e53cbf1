"""A tenant is told what of the provider's keeps it from a partial failover, and nothing else of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from msgspec import structs

from causeway_controller.contract.appliances import Condition
from causeway_controller.contract.tenant_view import Lack, TenantResources, UnreadyHost
from causeway_controller.inventory import tenant_view, unready
from causeway_controller.inventory.entry import enter
from causeway_controller.inventory.health import Deployed
from tests.provider_inventory import seed_example

AT = datetime(2026, 5, 6, tzinfo=UTC)
INVENTORY = seed_example()
TUNNELS = frozenset(
    network.tenant_end.tunnel for network in INVENTORY.tenants[0].networks if network.tenant_end
)
WELL = Deployed(
    id="acme-esx1",
    tenant="acme",
    host="esx1",
    address=ip_address("10.10.0.21"),
    port=8443,
    condition=Condition.HEALTHY,
    seen=AT,
    intended="idle",
)


def told(*deployed: Deployed, certified: frozenset[str] = TUNNELS) -> TenantResources:
    return tenant_view.resources(
        INVENTORY,
        enter(INVENTORY),
        "acme",
        open_runs=(),
        standing={},
        deployed=deployed,
        certified=certified,
    )


@pytest.mark.parametrize(
    "one",
    [
        WELL,
        replace(WELL, condition=Condition.UNKNOWN, seen=None),
        replace(WELL, condition=Condition.OFF),
        replace(WELL, condition=Condition.DEGRADED, cause="its tunnel is impaired"),
    ],
    ids=["well", "not looked at yet", "idle and off", "degraded"],
)
def test_one_that_can_serve_is_not_told_of(one: Deployed) -> None:
    assert told(one).unready == ()


@pytest.mark.parametrize(
    ("deployed", "lack"),
    [
        ((), Lack.NOT_DEPLOYED),
        ((replace(WELL, host="esx2"),), Lack.NOT_DEPLOYED),
        ((replace(WELL, condition=Condition.MISSING),), Lack.NOT_DEPLOYED),
        ((replace(WELL, condition=Condition.SILENT, seen=None),), Lack.NEVER_ANSWERED),
        ((replace(WELL, condition=Condition.OFF, seen=None),), Lack.NEVER_ANSWERED),
        ((replace(WELL, condition=Condition.SILENT),), Lack.SILENT),
        ((replace(WELL, condition=Condition.REFUSED),), Lack.SILENT),
        ((replace(WELL, condition=Condition.OFF, intended="partial"),), Lack.SILENT),
    ],
)
def test_what_cannot_serve_is_told_in_one_word(deployed: tuple[Deployed, ...], lack: Lack) -> None:
    (one,) = told(*deployed).unready
    networks = tuple(network.id for network in INVENTORY.tenants[0].networks if network.tenant_end)
    assert one == UnreadyHost(host="esx1", lack=lack, networks=networks)


def test_of_a_tunnel_without_certificate_its_network_is_told_once_it_was_seen() -> None:
    (gone, *_) = sorted(TUNNELS)
    (one,) = told(WELL, certified=TUNNELS - {gone}).unready
    assert (one.lack, len(one.networks)) == (Lack.NO_CERTIFICATE, 1)
    fresh = replace(WELL, condition=Condition.UNKNOWN, seen=None)
    assert told(fresh, certified=TUNNELS - {gone}).unready == ()


@pytest.mark.parametrize("lack", Lack)
def test_the_tenants_staff_reads_whom_to_ask_of_its_own_networks_only(lack: Lack) -> None:
    host = UnreadyHost(host="esx1", lack=lack, networks=("net1", "net2"))
    resources = structs.replace(told(WELL), unready=(host,))
    assert [*unready.told("north", resources, {"net3"})] == []
    ((subject, detail),) = unready.told("north", resources, {"net2", "net3"})
    assert subject == "provider north"
    assert detail.startswith("no VM of network net2 can fail over partially to esx1: its ")
    assert "its staff" in detail
