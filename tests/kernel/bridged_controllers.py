"""A bridged network that two controllers extend: the provider's, and the tenant's own, which leads.

    python -m causeway_lab.sandbox -- python -m tests.kernel.bridged_controllers

A lab whose networks are bridged needs a sandbox of its own. What was seen is printed, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from causeway_lab.assembly import outage
from causeway_lab.assembly.inventory import SECOND_HOST
from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.demo import proofs
from causeway_lab.service.two_sites import TwoSites
from causeway_lab.world import namespaces, topology
from causeway_lab.world.topology import original_of
from causeway_wire.desired import Extension
from tests.kernel.two_controllers import both_ways, widened

TENANT, NETWORK = "acme", "net1"
DB, WEB = VmRef(TENANT, "db1"), VmRef(TENANT, "web1")
_OPEN_SECONDS = 60.0
"""A bridge listens for loops before it opens, a second or so after the tunnel is up."""


async def fail_over(lab: Lab, sites: TwoSites) -> None:
    await lab.machines.power_off(original_of(TENANT, DB.vm))
    await sites.tenant.ask("failover", "partial", TENANT, DB.vm, "--host", NETWORK)


async def crossed(lab: Lab) -> list[str]:
    """Both reach each other by each IP version; the MAC addresses that production has seen meanwhile."""
    web, addresses = lab.original(WEB), lab.vm(DB).addresses
    async with asyncio.timeout(_OPEN_SECONDS):
        for address in addresses:
            while not (await web.ping(address, count=3)).all_answered:  # noqa: ASYNC110 - there is no event
                await asyncio.sleep(0.1)
    await both_ways(lab, DB, WEB)
    known = json.loads(namespaces.run(web.name, "ip", "-j", "neigh", "show"))
    return sorted({one["lladdr"] for one in known if one["dst"] in set(map(str, addresses))})


async def returned(lab: Lab) -> None:
    await lab.machines.power_on(original_of(TENANT, DB.vm))
    await proofs.returned(lab, DB, lab.original(WEB))


async def seen(lab: Lab, sites: TwoSites) -> dict[str, Any]:
    await sites.controllers.join()
    proposed = await sites.propose()
    await asyncio.gather(sites.controllers.deploy_provider(), sites.controllers.deploy_tenant(NETWORK))
    found: dict[str, Any] = {"proposed": proposed["production"][0]["networks"][0]["appliance"]["extension"]}
    await fail_over(lab, sites)
    found["macs"], found["replica"] = await crossed(lab), list(lab.vm(DB).macs)
    await sites.tenant.ask("failover", "undo", TENANT, DB.vm, "--host", NETWORK)
    await returned(lab)
    await fail_over(lab, sites)
    await crossed(lab)
    await widened(lab, sites, stayed=(WEB,), web=WEB)
    await sites.provider.ask("failover", "failback", TENANT, "--synchronised", "--host", SECOND_HOST)
    await lab.machines.power_on(original_of(TENANT, WEB.vm))
    await returned(lab)
    return found


async def main() -> int:
    lab = Lab(topology.build(tenants=1, networks=1, gateways=1, extension=Extension.BRIDGED))
    await lab.up()
    try:
        with tempfile.TemporaryDirectory(prefix="cw-") as place:
            async with TwoSites(lab, TENANT, Path(place)) as sites:
                sys.stdout.write(json.dumps(await seen(lab, sites)))
        await outage.restore_vms(lab, TENANT)
    finally:
        await lab.down()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
