"""What is done with both sites, and proved on real packets: failed over, updated, lost, given back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

from causeway_controller.hypervisors.libvirt import domain
from causeway_lab.assembly.two_sites import EDGE, OWN_HOST
from causeway_lab.demo import proofs
from causeway_lab.demo.claims import Ledger, require
from causeway_lab.world import namespaces, topology
from causeway_lab.world.topology import original_of, replica_of
from causeway_wire.types import IPAddress, VmName
from tests.e2e import echoes, ova_disk, packets
from tests.e2e.both import Both
from tests.e2e.fleet import BOOT_SECONDS, Fleet, run_of, seconds_of
from tests.e2e.inventory import HOST
from tests.e2e.site import TENANT

WEB: Final[VmName] = "web1"
DB: Final[VmName] = "db1"
NETWORK: Final = "net1"
NEWER: Final = "0.1.1"
"""The version of the system that appliances are updated to."""
CLAIM_SECONDS: Final = 300.0
UPDATE_SECONDS: Final = 1800.0
_LOOK_SECONDS: Final = 1.0


class Whole:
    """Both controllers, both hosts."""

    def __init__(self, both: Both, ledger: Ledger) -> None:
        self._both = both
        self._ledger = ledger
        self._ground = both.ground
        self._world = both.ground.world
        self._machines = both.ground.machines
        self._provider = both.controllers.provider
        self._tenant = both.controllers.tenant
        self._fleet = Fleet(self._provider, both.ground.host, ledger)
        self._own = Fleet(self._tenant, both.own_host, ledger)
        self._db = self._addresses(replica_of(TENANT, DB))

    async def tell(self) -> None:
        """All of it, as far as later steps make sense."""
        for chapter in (self.begun, self.failed_over, self.updated, self.lost, self.given_back):
            if not await chapter():
                return

    async def begun(self) -> bool:
        """Appliances of both sites."""
        told = self._ledger.claim
        self._ledger.chapter("Two sites, each with a controller and a libvirt host; the image from dist")
        await told(ova_disk.CLAIM, ova_disk.same(self._ground.image, self._ground.disk))
        if not await told(
            "The tenant's controller joins its provider", self._joined(), patience=CLAIM_SECONDS
        ):
            return False
        for fleet, host, whose in ((self._fleet, HOST, "provider"), (self._own, OWN_HOST, "tenant")):
            await told(
                f"The {whose}'s host has all that its inventory needs", fleet.checked(host), patience=120
            )
        held = await told(
            "A gateway and an appliance of each site are deployed, boot the image and enrol by themselves",
            self._deployed(),
            patience=2 * BOOT_SECONDS,
        )
        return held and await told("All are healthy", self._healthy(), patience=CLAIM_SECONDS)

    async def failed_over(self) -> bool:
        """A VM fails over and back, and once more."""
        told = self._ledger.claim
        self._ledger.chapter(f"{DB} is lost in production")
        if not await told("It fails over", self._fail_over(), patience=CLAIM_SECONDS):
            return False
        await self._extended()
        await told("The failover is undone", self._undone(), patience=CLAIM_SECONDS)
        await told(f"{DB} itself answers in production again", self._returned())
        return await told("It fails over once more", self._fail_over(), patience=CLAIM_SECONDS)

    async def updated(self) -> bool:
        """The systems of all appliances are exchanged."""
        told = self._ledger.claim
        self._ledger.chapter("All appliances are updated while the VM runs at the provider")
        file = await asyncio.to_thread(self._ground.parts.remade, NEWER, _second_system)
        (here, *_) = self._db
        for sentence, words in (
            ("The provider's appliance and its gateway are updated, one after the other", ("--all",)),
            ("The tenant's appliance is updated", (TENANT, NETWORK)),
        ):
            controller = self._provider if words == ("--all",) else self._tenant
            asked = controller.ask("appliance", "update", *words, "--interrupt", "--file", str(file))
            await told(sentence, self._watched(here, asked), patience=UPDATE_SECONDS)
        await told("Each runs the new system, and stays when asked again", self._runs(file))
        await told("All are healthy", self._healthy(), patience=CLAIM_SECONDS)
        await self._extended()
        return True

    async def lost(self) -> bool:
        """The site is lost with its controller."""
        told = self._ledger.claim
        self._ledger.chapter("The site is lost, with its controller and its appliance")
        if not await told(
            "The provider escalates to full failover", self._escalated(), patience=CLAIM_SECONDS
        ):
            return False
        published = packets.soon(self._published)
        await told("The internet reaches the site at its public addresses", published, patience=CLAIM_SECONDS)
        await told("A replica reaches the internet", packets.abroad(self._world, TENANT))
        return True

    async def given_back(self) -> bool:
        """The site is there again."""
        told = self._ledger.claim
        self._ledger.chapter("The site is back")
        if not await told(
            "Its appliance becomes idle without being asked", self._restored(), patience=BOOT_SECONDS
        ):
            return False
        await told("The provider gives it back", self._failed_back(), patience=CLAIM_SECONDS)
        return await told("Production itself answers", self._returned())

    async def _joined(self) -> str:
        said = await self._both.controllers.join()
        (entry,) = (await self._both.propose())["production"]
        shown = [" ".join(line.split()) for line in said.splitlines() if line.startswith(("url", "state"))]
        return f"{', '.join(shown)}; it proposes {', '.join(one['id'] for one in entry['networks'])}"

    async def _deployed(self) -> str:
        found = await asyncio.gather(
            self._fleet.deployed("gateway", "deploy", EDGE),
            self._fleet.deployed("appliance", "deploy", TENANT, HOST),
            self._own.deployed("appliance", "deploy", TENANT, NETWORK),
        )
        return "; ".join(found)

    async def _healthy(self) -> str:
        return "; ".join(await asyncio.gather(self._fleet.healthy(), self._own.healthy()))

    async def _fail_over(self) -> str:
        await self._machines.power_off(original_of(TENANT, DB))
        words = ("failover", "partial", TENANT, DB, "--host", NETWORK)
        return f"in {await run_of(self._tenant, *words):.1f} s"

    async def _extended(self) -> None:
        """Both sites are one network."""
        told = self._ledger.claim
        web = self._machines.console(original_of(TENANT, WEB))
        own = self._addresses(web.name)
        here, *_ = self._db

        async def reached() -> str:
            return await proofs.reachable(web, self._db, host=replica_of(TENANT, DB), client=own)

        await told(
            "Production reaches the replica at its unchanged addresses",
            packets.soon(reached),
            patience=CLAIM_SECONDS,
        )
        await told(
            "The replica reaches production, and is seen at its unchanged addresses",
            packets.outward(web.name, here, own, seen_as=self._db),
        )
        router = self._world.machines[self._world.routers[TENANT]].ports[-1]
        await told(
            "The replica's way to the internet is the production gateway",
            packets.outward(
                web.name,
                here,
                topology.INTERNET_ADDRESSES,
                seen_as=[one.ip for one in router.addresses],
            ),
        )

    async def _undone(self) -> str:
        seconds = await run_of(self._tenant, "failover", "undo", TENANT, DB, "--host", NETWORK)
        await proofs.silent(self._machines.console(original_of(TENANT, WEB)), self._db)
        await self._machines.power_on(original_of(TENANT, DB))
        return f"in {seconds:.1f} s; the replica is silent"

    async def _returned(self) -> str:
        web = self._machines.console(original_of(TENANT, WEB))
        return await proofs.reachable(
            web, self._db, host=original_of(TENANT, DB), client=self._addresses(web.name)
        )

    async def _watched(self, address: IPAddress, asked: Any) -> str:
        async with echoes.steady(original_of(TENANT, WEB), address) as seen:
            seconds = await seconds_of(asked)
        require(seen.moments, "no echo was answered")
        return f"in {seconds:.0f} s; {seen.told()}"

    async def _runs(self, file: Path) -> str:
        """Agents of both systems are of the same version: what an appliance runs, an update says again."""
        found = []
        for controller, *words in (
            (self._provider, "appliance", "update", TENANT, HOST, "--interrupt"),
            (self._provider, "gateway", "update", EDGE),
            (self._tenant, "appliance", "update", TENANT, NETWORK, "--interrupt"),
        ):
            (one,) = (await controller.ask_json(*words, "--file", str(file)))["appliances"]
            require(f"runs {NEWER} " in one["detail"], f"{words[2]}: {one['detail']}")
            found.append(f"{' '.join(words[2:4])}: {one['detail']}")
        return "; ".join(found)

    async def _escalated(self) -> str:
        await self._tenant.kill()
        namespaces.unplug(self._world.machines[self._world.routers[TENANT]])
        await self._machines.power_off(original_of(TENANT, WEB))
        await asyncio.to_thread(self._both.own_host.ask, lambda one: _powered(one, on=False))
        words = ("failover", "escalate", TENANT, "--host", HOST)
        return f"in {await run_of(self._provider, *words):.1f} s"

    async def _published(self) -> str:
        return await packets.published(self._world, self._machines, TENANT, WEB)

    async def _restored(self) -> str:
        namespaces.plug(self._world.machines[self._world.routers[TENANT]])
        await asyncio.to_thread(self._both.own_host.ask, lambda one: _powered(one, on=True))
        await self._machines.power_on(original_of(TENANT, WEB))
        await self._tenant.start()
        while (await self._shown()).get("mode") != "idle":  # noqa: ASYNC110 - the claim's deadline ends it
            await asyncio.sleep(_LOOK_SECONDS)
        web = self._machines.console(original_of(TENANT, WEB))
        return await proofs.silent(web, self._db)

    async def _shown(self) -> dict[str, Any]:
        found: dict[str, Any] = await self._tenant.ask_json("appliance", "show", TENANT, NETWORK, ok=(0, 1))
        return found

    async def _failed_back(self) -> str:
        words = ("failover", "failback", TENANT, "--synchronised", "--host", HOST)
        seconds = await run_of(self._provider, *words)
        await self._machines.power_on(original_of(TENANT, DB))
        return f"in {seconds:.1f} s"

    def _addresses(self, machine: str) -> list[IPAddress]:
        return [one.ip for port in self._world.machines[machine].ports for one in port.addresses]


def _second_system(tree: Path) -> None:
    (tree / "etc/second-system").touch()


def _powered(connection: Any, *, on: bool) -> None:
    """The host's appliances, as a site's power does it."""
    for one in connection.listAllDomains():
        if domain.owner(one.XMLDesc()) is None:
            continue
        if on:
            one.create()
        else:
            one.destroy()
