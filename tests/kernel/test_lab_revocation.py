"""A tunnel's certificate revoked in the lab: its tunnel ends and no other; taken back, it is there again."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from causeway_controller.inventory.tenancy import Holder, Revocation
from causeway_controller.trust import pki
from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.service import drill
from causeway_lab.world.topology import original_of
from causeway_wire.observed import TunnelState

pytestmark = pytest.mark.kernel

DB, OTHER = VmRef("acme", "db1"), VmRef("globex", "db1")
SOON = 40.0


@pytest_asyncio.fixture(loop_scope="session")
async def two_tenants(lab: Lab) -> AsyncIterator[Lab]:
    """The lab with a VM of each tenant failed over."""
    await drill.fail_over(lab, [DB, OTHER])
    try:
        yield lab
    finally:
        await lab.undo([DB, OTHER])
        for vm in (DB, OTHER):
            await lab.machines.power_on(original_of(vm.tenant, vm.vm))


async def becomes(asked: Callable[[], Awaitable[bool]]) -> None:
    end = time.monotonic() + SOON
    while not await asked():
        assert time.monotonic() < end, "it did not become so"
        await asyncio.sleep(0.2)


async def test_a_revoked_client_loses_its_tunnel_and_nobody_else_does(two_tenants: Lab) -> None:
    lab = two_tenants
    network = lab.site.tenants["acme"].networks[lab.vm(DB).network]
    stolen = lab.site.credentials["acme"].tunnels[network.tunnel].client_certificate
    serial = pki.serial(stolen)
    ends = {tenant: lab.site.tenants[tenant].provider.id for tenant in ("acme", "globex")}

    async def connected(tenant: str) -> bool:
        seen = await lab.agent(ends[tenant]).observed()
        return {tunnel.state for tunnel in seen.tunnels} == {TunnelState.CONNECTED}

    async def refused() -> bool:
        seen = await lab.agent(ends["acme"]).observed()
        return any(f"serial={serial} is revoked" in (tunnel.last_error or "") for tunnel in seen.tunnels)

    for tenant in ends:
        await becomes(functools.partial(connected, tenant))
    before = (await lab.agent(ends["globex"]).observed()).tunnels
    await lab.revoke(Revocation(serial=serial, holder=Holder.CLIENT, tenant="acme", tunnel=network.tunnel))
    await becomes(refused)
    assert not await connected("acme")
    seen = await lab.agent(ends["acme"]).observed()
    assert [(one.serial, one.at) for one in seen.revoked] == [(serial, network.tunnel)]
    after = (await lab.agent(ends["globex"]).observed()).tunnels
    assert [(one.since, one.restarts) for one in after] == [(one.since, one.restarts) for one in before]
    await lab.take_back(serial)
    await becomes(functools.partial(connected, "acme"))
