"""A tenant's own controller, told and proved: two organisations that meet by one line of text.

The tenant's controller leads a partial failover and is killed in the middle of it; the site is lost with all
its controllers, and the provider fails it over; it returns.
"""

from __future__ import annotations

import asyncio
import functools
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from causeway_lab.assembly import outage
from causeway_lab.assembly.inventory import SECOND_HOST
from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.demo import proofs, proofs_full
from causeway_lab.demo.claims import Ledger, require
from causeway_lab.service.two_controllers import PROVIDER
from causeway_lab.service.two_sites import TwoSites
from causeway_lab.world.inward import Inward
from causeway_lab.world.topology import original_of, replica_of

TENANT: Final = "acme"
DB, WEB = VmRef(TENANT, "db1"), VmRef(TENANT, "web1")
NETWORK: Final = "net1"
_SECONDS: Final = 180.0
"""For a claim: controllers are started, a lease ends."""
_POLL_SECONDS: Final = 0.01
_LOOK_SECONDS: Final = 0.5


async def own_controller(lab: Lab, ledger: Ledger) -> None:
    """Joined, failed over, killed, lost, returned."""
    ledger.chapter("A tenant's own controller, behind its router's address translation")
    told = functools.partial(ledger.claim, patience=_SECONDS)
    async with AsyncExitStack() as stack:
        place = Path(stack.enter_context(TemporaryDirectory(prefix="causeway-")))
        inward = stack.enter_context(Inward(lab.topology.machines[lab.topology.routers[TENANT]]))
        sites = await stack.enter_async_context(TwoSites(lab, TENANT, place))
        story = _Story(lab, sites, inward)
        if not await told("It joins its provider by one line of text", story.join()):
            return
        if not await told("It proposes its appliances, and deploys one in its own site", story.deploy()):
            return
        if not await told(
            "Killed in the middle of a partial failover, another one finishes both halves", story.fail_over()
        ):
            return
        await told("Production reaches the replica at its unchanged addresses", story.reached())
        if not await told("The site is lost with its controllers: the provider fails it over", story.lost()):
            return
        await told("The site returns, reads full and stays idle", story.returned())
        await told("Given back, production itself answers again", story.failed_back())
        await told("Nobody has opened a connection into the site", story.unopened())


class _Story:
    """What happens between the two."""

    def __init__(self, lab: Lab, sites: TwoSites, inward: Inward) -> None:
        self._lab = lab
        self._sites = sites
        self._inward = inward
        self._end = ""

    async def join(self) -> str:
        said = await self._sites.controllers.join()
        shown = dict(
            line.split(maxsplit=1) for line in said.splitlines() if line.startswith(("url", "state"))
        )
        return ", ".join(f"{what} {which.strip()}" for what, which in shown.items())

    async def deploy(self) -> str:
        proposed = await self._sites.propose()
        (entry,) = proposed["production"]
        networks = ", ".join(one["id"] for one in entry["networks"])
        both = self._sites.controllers
        _, self._end = await asyncio.gather(both.deploy_provider(), both.deploy_tenant(NETWORK))
        return f"{entry['id']} extends {networks}; {self._end} runs in {NETWORK}, certified by both"

    async def fail_over(self) -> str:
        await self._lab.machines.power_off(original_of(TENANT, DB.vm))
        started = ("failover", "partial", TENANT, DB.vm, "--host", NETWORK, "--detach")
        asked = asyncio.create_task(self._sites.tenant.ask(*started))
        while not self._lab.machines.powered_on(replica_of(TENANT, DB.vm)):  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(_POLL_SECONDS)
        await self._sites.tenant.kill()
        await asyncio.gather(asked, return_exceptions=True)  # its answer may have been lost with it
        await self._sites.successor.start()
        (run,) = await self._sites.successor.ask_json("run", "list")
        require(run["open"], "it was killed too late: the run had ended")
        await self._sites.successor.ask("run", "watch", run["id"])
        kinds = [
            one["kind"] for one in (await self._sites.successor.ask_json("run", "show", run["id"]))["events"]
        ]
        require((kinds[-1], kinds.count("taken-over")) == ("finished", 1), f"the run went {', '.join(kinds)}")
        (half,) = await self._sites.provider.ask_json("run", "list")
        return f"killed while the replica started; run {run['id']} was taken over, and so ended {half['id']}"

    async def reached(self) -> str:
        web, addresses = self._lab.original(WEB), self._lab.vm(DB).addresses
        here = proofs.addresses_of(self._lab, web.name)
        return await proofs.reachable(web, addresses, host=replica_of(TENANT, DB.vm), client=here)

    async def lost(self) -> str:
        await self._sites.successor.kill()
        await asyncio.gather(
            outage.cut_site(self._lab, TENANT), self._lab.hypervisor.power(self._end, on=False, grace=0)
        )
        await self._sites.provider.ask("failover", "escalate", TENANT, "--host", SECOND_HOST)
        rules = [one for one in self._lab.tenant(TENANT).publications if one.id.startswith("web-")]
        return await proofs_full.published(self._lab, rules, host=replica_of(TENANT, WEB.vm))

    async def returned(self) -> str:
        await outage.restore_site(self._lab, TENANT)
        await asyncio.gather(
            self._lab.hypervisor.power(self._end, on=True, grace=0),
            self._lab.machines.power_on(original_of(TENANT, WEB.vm)),
            self._sites.tenant.start(),
        )
        (theirs,) = (await self._sites.tenant.ask_json("provider", "resources", PROVIDER))["failovers"]
        while (await self._shown()).get("mode") != "idle":  # noqa: ASYNC110 - the claim's deadline ends it
            await asyncio.sleep(_LOOK_SECONDS)
        await proofs.silent(self._lab.original(WEB), self._lab.vm(DB).addresses)
        return f"the provider says {theirs['mode']}; {self._end} became idle without being asked"

    async def failed_back(self) -> str:
        await self._sites.provider.ask(
            "failover", "failback", TENANT, "--synchronised", "--host", SECOND_HOST
        )
        await outage.restore_vms(self._lab, TENANT)
        return await proofs.returned(self._lab, DB, self._lab.original(WEB))

    async def unopened(self) -> str:
        opened = self._inward.opened
        require(not opened, f"{opened} flows were opened from outside")
        outside, doors = proofs_full.outside(self._lab), proofs.router_addresses(self._lab, TENANT)
        await proofs.closed(outside, [(one, proofs.SSH_PORT) for one in doors])
        knocked = self._inward.opened
        require(knocked >= len(doors), "the control, a knock from the internet, was not counted")
        return (
            f"0 flows opened from outside; the control, a knock at {len(doors)} addresses, counts {knocked}"
        )

    async def _shown(self) -> dict[str, Any]:
        found: dict[str, Any] = await self._sites.tenant.ask_json(
            "appliance", "show", TENANT, NETWORK, ok=(0, 1)
        )
        return found
