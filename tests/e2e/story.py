"""What is done with the provider's site alone, and proved on real packets: each step with its evidence."""

from __future__ import annotations

from typing import Final

from causeway_lab.demo.claims import Ledger
from causeway_lab.world.topology import original_of
from causeway_wire.types import VmName
from tests.e2e import ova_disk, packets
from tests.e2e.fleet import BOOT_SECONDS, Fleet, run_of
from tests.e2e.inventory import HOST
from tests.e2e.site import TENANT, Site

WEB: Final[VmName] = "web1"
CLAIM_SECONDS: Final = 300.0
DEPLOY: Final = ("appliance", "deploy", TENANT, HOST)


class Story:
    """Deployed, then the site lost."""

    def __init__(self, site: Site, ledger: Ledger) -> None:
        self._controller = site.controller
        self._ground = site.ground
        self._machines = site.ground.machines
        self._world = site.ground.world
        self._ledger = ledger
        self._fleet = Fleet(site.controller, site.ground.host, ledger)

    async def tell(self) -> None:
        """All of it, as far as later steps make sense."""
        told, fleet = self._ledger.claim, self._fleet
        self._ledger.chapter("A libvirt host, a controller, and the image from dist")
        await told(ova_disk.CLAIM, ova_disk.same(self._ground.image, self._ground.disk))
        await told("The host has all that the inventory needs", fleet.checked(HOST), patience=120)
        if not await told(
            "An appliance is deployed, boots the image and enrols by itself",
            fleet.deployed(*DEPLOY),
            patience=BOOT_SECONDS,
        ):
            return
        await told("It starts by UEFI with Secure Boot", fleet.securely())
        if not await told("It is healthy", fleet.healthy(), patience=CLAIM_SECONDS):
            return
        await told("Deploying it again changes nothing", fleet.again(*DEPLOY), patience=CLAIM_SECONDS)
        self._ledger.chapter("The site is lost")
        if await told("All of it fails over", self.failed_over(), patience=CLAIM_SECONDS):
            published = packets.soon(self.published)
            await told("The internet reaches it at its public addresses", published, patience=CLAIM_SECONDS)
            await told("A replica reaches the internet", packets.abroad(self._world, TENANT), patience=60)

    async def failed_over(self) -> str:
        for vm in self._world.tenants[TENANT].vms:
            await self._machines.power_off(original_of(TENANT, vm))
        return f"in {await run_of(self._controller, 'failover', 'full', TENANT):.1f} s"

    async def published(self) -> str:
        return await packets.published(self._world, self._machines, TENANT, WEB)
