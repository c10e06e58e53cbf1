"""What is seen alike of any network that two controllers extend, on real packets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from causeway_lab.assembly.inventory import SECOND_HOST
from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.demo import proofs, proofs_full
from causeway_lab.service.two_sites import TwoSites
from causeway_lab.world.topology import original_of, replica_of

_IDLE_SECONDS = 60.0


async def both_ways(lab: Lab, moved: VmRef, stayed: VmRef) -> None:
    """A replica and a VM that stayed reach each other by each IP version."""
    there, addresses = lab.original(stayed), lab.vm(moved).addresses
    assert {one.version for one in addresses} == {4, 6}
    here = proofs.addresses_of(lab, there.name)
    await proofs.reachable(there, addresses, host=replica_of(moved.tenant, moved.vm), client=here)
    await proofs.reachable(lab.replica(moved), here, host=there.name, client=addresses)


async def widened(lab: Lab, sites: TwoSites, *, stayed: Iterable[VmRef], web: VmRef) -> None:
    """The whole site fails over out of its partial failover, and its service `web` is published.

    The site is there: its appliances end what they answer for by themselves.
    """
    for one in stayed:
        await lab.machines.power_off(original_of(one.tenant, one.vm))
    await sites.provider.ask("failover", "escalate", web.tenant, "--host", SECOND_HOST)
    rules = [one for one in lab.tenant(web.tenant).publications if one.id.startswith("web-")]
    await proofs_full.published(lab, rules, host=replica_of(web.tenant, web.vm))
    for network in lab.tenant(web.tenant).networks:
        async with asyncio.timeout(_IDLE_SECONDS):
            while await _mode(sites, web.tenant, network) != "idle":  # noqa: ASYNC110 - there is no event
                await asyncio.sleep(0.1)


async def _mode(sites: TwoSites, tenant: str, network: str) -> str:
    shown = await sites.tenant.look(f"/v1/tenants/{tenant}/hosts/{network}/appliance")
    return str(shown.get("mode"))
