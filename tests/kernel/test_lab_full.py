"""Full failover on real packets: gateways, classes of networks, published services, and what stays closed."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from causeway_controller.inventory.modes import Full
from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.demo import proofs, proofs_full
from causeway_lab.service import drill, protocol, publishing
from causeway_lab.world.topology import replica_of
from causeway_wire.problem import ProblemError

pytestmark = pytest.mark.kernel

WEB, DB, APP = (VmRef("acme", name) for name in ("web1", "db1", "app2"))
CLOSED = VmRef("globex", "web1")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def full(lab: Lab) -> AsyncIterator[Lab]:
    """Both tenants' sites failed over; their production goes on running, apart."""
    before = {name: lab.tenant(name).publications for name in ("acme", "globex")}
    try:
        for tenant in before:
            await drill.fail_over_full(lab, tenant, cut=False)
        yield lab
    finally:
        for tenant, rules in before.items():
            if isinstance(lab.mode(tenant), Full):
                await lab.undo_full(tenant)
            await lab.publish(tenant, rules)


async def test_replicas_keep_their_gateway_and_meet_across_networks_on_request_only(full: Lab) -> None:
    for ref in (WEB, APP, CLOSED):
        source = full.replica(ref)
        await proofs_full.gateway_kept(source, proofs_full.gateways_of(full, source))
    await proofs_full.meets(full.replica(WEB), full.vm(APP).addresses, host=replica_of("acme", "app2"))
    await proofs.silent(full.replica(CLOSED), full.vm(VmRef("globex", "app2")).addresses)


async def test_only_the_class_with_internet_reaches_it(full: Lab) -> None:
    web, app = full.replica(WEB), full.replica(APP)
    await proofs_full.internet_as(full, web, full.tenant("acme").public_addresses[:2])
    await proofs_full.no_internet(app, web)


@pytest.mark.parametrize(("name", "ref"), [("web", WEB), ("shell", WEB), ("app", APP)])
async def test_published_services_answer_the_internet(full: Lab, name: str, ref: VmRef) -> None:
    rules = proofs_full.rules_named(full, "acme", name)
    assert len(rules) == 2
    await proofs_full.published(full, rules, host=replica_of(ref.tenant, ref.vm))


async def test_each_tenant_s_public_addresses_lead_to_its_own_vms(full: Lab) -> None:
    for tenant in ("acme", "globex"):
        rules = proofs_full.rules_named(full, tenant, "web")
        await proofs_full.published(full, rules, host=replica_of(tenant, "web1"))
    await proofs_full.datagrams(full, proofs_full.rules_named(full, "globex", "datagrams"))


async def test_a_replica_reaches_a_published_service_of_its_own_network_by_its_public_address(
    full: Lab,
) -> None:
    for rule in proofs_full.rules_named(full, "acme", "web"):
        page = await full.replica(DB).http(rule.public_address, port=rule.public_port)
        assert page["host"] == replica_of("acme", "web1")


async def test_port_22_is_refused_by_the_appliance_and_on_the_wire(full: Lab) -> None:
    await proofs_full.shell_port_refused(full, WEB)


async def test_withdrawing_a_rule_ends_its_connection_and_no_other(full: Lab) -> None:
    await proofs_full.cut_by_withdrawal(full, DB)


async def test_sources_of_a_rule_are_the_only_ones_let_in(full: Lab) -> None:
    outside = proofs_full.outside(full)
    address = full.tenant("acme").public_addresses[0]
    for source, expected in (("203.0.113.99/32", "open"), ("203.0.113.0/28", None)):
        wanted = protocol.Publication(vm=str(WEB), public_port=8888, port=80, sources=(source,))
        await publishing.publish(full, wanted)
        state = await outside.call("connect", address=str(address), port=8888, patience=proofs.PATIENCE)
        assert (state["state"] == "open") is (expected == "open")


async def test_the_provider_s_hosts_and_management_stay_closed(full: Lab) -> None:
    web, app = full.replica(WEB), full.replica(APP)
    await proofs_full.provider_unreachable(full, [web, app])
    gateways = [(gateway, port) for gateway in proofs_full.gateways_of(full, web) for port in (22, 8443)]
    await proofs.closed(web, [*proofs.forbidden_doors(full, "acme"), *gateways])
    doors = [(a, port) for a in full.tenant("acme").public_addresses for port in (22, 443, 8443, 1195)]
    await proofs_full.unanswered(proofs_full.outside(full), doors)


async def test_forged_sources_do_not_pass_the_gateway(full: Lab) -> None:
    victim = full.vm(APP).addresses[0]
    for forged in ("10.10.0.2", "198.51.100.11", "203.0.113.99"):
        await proofs.unspoofable(full.replica(WEB), full.replica(APP), victim, ipaddress.ip_address(forged))


async def test_production_and_replicas_are_apart(full: Lab) -> None:
    await proofs_full.production_undisturbed(full, "acme")
    page = await full.replica(WEB).http(full.vm(DB).addresses[0])
    assert page["host"] == replica_of("acme", "db1")


async def test_partial_failover_is_refused_meanwhile(full: Lab) -> None:
    with pytest.raises(ProblemError, match="full failover"):
        await full.failover([DB])
    await asyncio.sleep(0)
    assert isinstance(full.mode("acme"), Full)
