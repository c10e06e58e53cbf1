"""Escalation on real packets: while it happens nothing passes that neither mode allows; and the way back."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from causeway_controller.inventory.modes import Full, Idle, Partial, Rehearsal
from causeway_lab.assembly import outage
from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.demo import proofs, proofs_full
from causeway_lab.service import drill
from causeway_lab.world import capture
from causeway_lab.world.topology import original_of, replica_of
from causeway_wire.problem import ProblemError
from causeway_wire.types import IPAddress

pytestmark = pytest.mark.kernel

DB, WEB, APP, FILES = (VmRef("acme", name) for name in ("db1", "web1", "app2", "files2"))
PRIVATE = [ipaddress.ip_network(text) for text in ("192.168.0.0/16", "2001:db8:10::/64", "2001:db8:20::/64")]


@pytest_asyncio.fixture(loop_scope="session")
async def idle(lab: Lab) -> AsyncIterator[Lab]:
    """The lab; whatever the test leaves is put right."""
    try:
        yield lab
    finally:
        await outage.restore_site(lab, "acme")
        match lab.mode("acme"):
            case Full():
                await lab.undo_full("acme")
            case Rehearsal():
                await lab.end_rehearsal("acme")
            case Partial(vms):
                await lab.undo([VmRef("acme", vm) for vm in vms])
            case Idle():
                pass
        await outage.restore_vms(lab, "acme")


def private(address: IPAddress | None) -> bool:
    return address is not None and any(
        address.version == network.version and address in network for network in PRIVATE
    )


def untranslated(seen: capture.Captured) -> list[capture.Flow]:
    """Packets with a tenant's own address, which the provider's network must never carry."""
    return [
        flow
        for flow in seen.flows
        if not flow.housekeeping and (private(flow.source) or private(flow.destination))
    ]


async def test_what_is_refused_takes_nobody_off_the_power(idle: Lab) -> None:
    await drill.fail_over(idle, [DB])
    for refused in (drill.fail_over_full(idle, "acme"), drill.fail_over(idle, [DB, WEB])):
        with pytest.raises(ProblemError):
            await refused
        on = [
            ref.vm for ref in (WEB, APP, FILES) if idle.machines.powered_on(original_of(ref.tenant, ref.vm))
        ]
        assert on == ["web1", "app2", "files2"]


async def test_no_moment_of_an_escalation_lets_more_through_than_either_mode(idle: Lab) -> None:
    await drill.fail_over(idle, [DB])
    replica, web = idle.replica(DB), idle.original(WEB)
    old, old_addresses = proofs.old_replica(idle, "acme")
    watches = [
        replica.watch(ipaddress.ip_address("10.10.0.2")),
        web.watch(idle.vm(DB).addresses[0]),
        *(web.watch(address) for address in old_addresses),
    ]
    provider = [capture.Capture(name) for name in ("sp-ctl", "sp-router")]
    production = capture.Capture(web.name)
    vlan = capture.Capture(old.name)
    async with contextlib.AsyncExitStack() as stack:
        for item in (*provider, production, vlan):
            await stack.enter_async_context(item)
        await asyncio.sleep(0.2)
        await idle.failover_full("acme", escalate=True)
        await asyncio.sleep(0.2)
    to_controller, to_replica, *to_old = [await watch.stop() for watch in watches]
    assert to_controller.sent > 50
    assert to_controller.received == 0
    assert [watch.received for watch in to_old] == [0, 0]
    assert [untranslated(item.result) for item in provider] == [[], []]
    to_old_replica = set(old_addresses)
    assert not [f for f in vlan.result.flows if f.destination in to_old_replica and not f.housekeeping]
    # The controls: the captures saw what is allowed, and production met the replica until the change.
    assert all(item.result.packets for item in provider)
    assert any(flow.source in set(idle.vm(DB).addresses) for flow in production.result.flows)
    assert to_replica.received > 50
    await proofs.silent(web, idle.vm(DB).addresses)


async def test_a_dead_site_is_left_behind_and_told_when_it_is_back(idle: Lab) -> None:
    await drill.fail_over(idle, [DB])
    await outage.cut_site(idle, "acme")
    outcome = await idle.failover_full("acme", escalate=True)
    assert len(outcome.failures) == 1
    assert idle.mode("acme") == Full(frozenset(idle.tenant("acme").vms), frozenset({"net1"}))
    await proofs_full.meets(idle.replica(DB), idle.vm(APP).addresses, host=replica_of("acme", "app2"))
    await drill.undo_full(idle, "acme")
    for name in ("acme-sp", "acme-nea1", "acme-nea2"):
        assert (await idle.agent(name).observed()).failover == "idle"
    await proofs_full.production_undisturbed(idle, "acme")


async def test_one_vm_stays_in_partial_failover_when_the_site_is_back(idle: Lab) -> None:
    await drill.fail_over_full(idle, "acme")
    await drill.undo_full(idle, "acme", keep=[APP.vm])
    assert idle.mode("acme") == Partial(frozenset({APP.vm}))
    files = idle.original(FILES)
    await proofs_full.meets(files, idle.vm(APP).addresses, host=replica_of("acme", "app2"))
    assert not idle.machines.powered_on(original_of("acme", "app2"))
    await proofs.silent(proofs_full.outside(idle), idle.tenant("acme").public_addresses)


async def test_a_rehearsal_is_invisible_beside_production(idle: Lab) -> None:
    measures = await drill.rehearse(idle, "acme")
    assert len(measures) == 1 + len(idle.tenant("acme").vms)
    await proofs_full.invisible_in_production(idle, "acme")
    await proofs_full.production_undisturbed(idle, "acme")
    await proofs.silent(proofs_full.outside(idle), idle.tenant("acme").public_addresses)
    await proofs.silent(idle.replica(WEB), [ipaddress.ip_address("203.0.113.99")])
    await idle.end_rehearsal("acme")
    assert idle.mode("acme") == Idle()
