"""What is done with the host and its controller, and proved on real packets: each step with its evidence."""

from __future__ import annotations

from typing import Final

from causeway_lab.demo.claims import Ledger, require
from causeway_lab.world import topology
from causeway_lab.world.topology import original_of, replica_of
from causeway_wire.public_rules import PublicRule
from causeway_wire.types import VmName
from tests.e2e.fleet import BOOT_SECONDS, Fleet, seconds_of
from tests.e2e.site import TENANT, Site

WEB: Final[VmName] = "web1"
CLAIM_SECONDS: Final = 300.0


class Story:
    """Deployed, then the site lost."""

    def __init__(self, site: Site, ledger: Ledger) -> None:
        self._site = site
        self._ledger = ledger
        self._fleet = Fleet(site, ledger)

    async def tell(self) -> None:
        """All of it, as far as later steps make sense."""
        told, fleet = self._ledger.claim, self._fleet
        self._ledger.chapter("A libvirt host, a controller, and the image from dist")
        await told("The host has all that the inventory needs", fleet.checked(), patience=120)
        if not await told(
            "An appliance is deployed, boots the image and enrols by itself",
            fleet.deployed(),
            patience=BOOT_SECONDS,
        ):
            return
        await told("It starts by UEFI with Secure Boot", fleet.securely())
        if not await told("It is healthy", fleet.healthy(), patience=CLAIM_SECONDS):
            return
        await told("Deploying it again changes nothing", fleet.again(), patience=CLAIM_SECONDS)
        self._ledger.chapter("The site is lost")
        if await told("All of it fails over", self.failed_over(), patience=CLAIM_SECONDS):
            await told("The internet reaches it at its public addresses", self.published(), patience=60)
            await told("A replica reaches the internet", self.outward(), patience=60)

    async def failed_over(self) -> str:
        for vm in self._site.world.tenants[TENANT].vms:
            await self._site.machines.power_off(original_of(TENANT, vm))
        return f"in {await seconds_of(self._site.controller.ask('failover', 'full', TENANT)):.1f} s"

    async def published(self) -> str:
        outside = self._site.machines.console(topology.INTERNET_HOST)
        found = []
        for rule in self._rules("web"):
            page = await outside.http(rule.public_address, port=rule.public_port)
            require(page["status"] is not None, f"no page from {rule.public_address}: {page.get('error')}")
            require(page["host"] == replica_of(TENANT, WEB), f"{page['host']} answers")
            found.append(f"{rule.public_address} port {rule.public_port}")
        return f"{replica_of(TENANT, WEB)} answers at {', '.join(found)}"

    async def outward(self) -> str:
        source = self._site.machines.console(replica_of(TENANT, WEB))
        seen = []
        for address in topology.INTERNET_ADDRESSES:
            page = await source.http(address)
            require(page["status"] is not None, f"{address} does not answer: {page.get('error')}")
            seen.append(page["client"])
        return f"it is seen as {', '.join(seen)}"

    def _rules(self, service: str) -> list[PublicRule]:
        rules = self._site.world.tenants[TENANT].publications
        return [rule for rule in rules if rule.id.startswith(f"{service}-")]
