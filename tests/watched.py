"""A deployed appliance that really answers over TLS, and the parts of a controller that looks after it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509

from causeway_controller.app import identity
from causeway_controller.contract.requests import Rebuild, RebuildGateway
from causeway_controller.failover import documents
from causeway_controller.fleet.pool import Pool
from causeway_controller.inventory import certificates, tenancy
from causeway_controller.inventory.health import Deployed, Power
from causeway_controller.inventory.tenancy import Site
from causeway_controller.store import authorities, vault
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.audit import Audit
from causeway_controller.store.authorities import Authorities
from causeway_controller.store.database import Database
from causeway_controller.store.intentions import Intentions
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.ledger import Ledger
from causeway_controller.store.rebuilds import Rebuilds
from causeway_controller.store.runs import Run, Runs
from causeway_controller.store.tenancies import Standings
from causeway_controller.trust import master_key, pki
from causeway_controller.trust.identity import ControllerIdentity
from causeway_controller.workflows.bringing_back import BringingBack
from causeway_controller.workflows.renewal import Renewal
from causeway_controller.workflows.watch import Watch
from causeway_wire.types import ApplianceId, Name, TenantId
from tests import sites, stores
from tests.fakes.agent_server import ADDRESS, AgentServer

TENANT = "acme"
HOST = "esx1"
INTERVAL = 30.0
SITE = sites.site()
MANAGEMENT = authorities.management(identity.PROVIDER)
ME = SITE.tenants[TENANT].provider.id


class NoRuns:
    """Starts none."""

    async def start_chore(
        self, request: Rebuild | RebuildGateway, *, tenant: TenantId | None, host: Name | None, actor: str
    ) -> Run:
        raise AssertionError(f"nothing is to be brought back: {request}, {tenant}, {host}, {actor}")


@dataclass(kw_only=True)
class Watched:
    """One appliance; clocks that tests turn; `power` is what its host says."""

    place: Path
    database: Database
    kept: Authorities
    pool: Pool
    agent: AgentServer
    now: datetime
    seconds: float = 0.0
    power: Power = Power.ON
    _refresh: identity.Refresh | None = None
    site: Site = field(default_factory=lambda: SITE)

    def __post_init__(self) -> None:
        self.appliances = Appliances(self.database)
        self.standings = Standings(self.database)
        self.ledger = Ledger(self.database, now=self.time)
        self.runs = Runs(self.database)
        self.watch = self.watching()
        self.renewal = self.renewing()

    def time(self) -> datetime:
        return self.now

    def watching(self) -> Watch:
        """Another controller's."""
        return Watch(
            appliances=self.appliances,
            intentions=Intentions(self.database),
            tenancies=self,
            clients=self.pool.know,
            power=self._powered,
            now=self.time,
            clock=lambda: self.seconds,
            random=lambda: 0.0,
            interval=INTERVAL,
        )

    def renewing(self) -> Renewal:
        """Another controller's."""
        return Renewal(
            authority=MANAGEMENT,
            authorities=self.kept,
            ledger=self.ledger,
            appliances=self.appliances,
            audit=Audit(self.database),
            clients=self.pool.know,
            anew=self.pool.anew,
            in_charge=lambda: None,
            now=self.time,
            settled=timedelta(seconds=4 * INTERVAL),
            actor="ctl1",
        )

    def bringing_back(self) -> BringingBack:
        """Another controller's; the inventory is empty, so it has nothing to bring back."""
        return BringingBack(
            runs=NoRuns(),
            rebuilds=Rebuilds(self.database),
            inventories=Inventories(self.database, now=self.time),
            audit=Audit(self.database),
            power=self._powered,
            now=self.time,
            interval=INTERVAL,
            actor="ctl1",
        )

    async def refresh(self) -> None:
        """What each controller does once in an interval."""

        def establish() -> ControllerIdentity:
            return identity.establish(self.kept, self.ledger, "ctl1", self.place / "identity", now=self.time)

        if self._refresh is None:
            self._refresh = identity.Refresh(establish=establish, ledger=self.ledger, pool=self.pool)
        await self._refresh()

    async def round(self) -> Deployed:
        """One round of upkeep."""
        await self.refresh()
        self.pass_(seconds=2 * INTERVAL)
        seen = await self.watch.look()
        self.watch.roll.update(await self.renewal.look(seen, self.watch.roll))
        found = self.appliances.find(TENANT, HOST)
        assert found is not None
        return found

    async def load(self, tenant: TenantId, host: Name, plan: Name = "") -> Site:
        return tenancy.with_mode(self.site, tenant, self.standings.get(tenant, host).mode)

    async def changed(self, tenant: TenantId, host: Name, site: Site) -> None:
        """No run ends here."""

    async def _powered(self, _one: Deployed) -> Power:
        return self.power

    def pass_(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)
        self.seconds += timedelta(**time).total_seconds()

    async def look(self) -> Deployed:
        """What is known of the appliance after its next turn."""
        self.pass_(seconds=2 * INTERVAL)
        await self.watch.look()
        found = self.appliances.find(TENANT, HOST)
        assert found is not None
        return found

    def issue(self, appliance: ApplianceId = ME) -> str:
        """Give the agent a certificate of the authority that signs now; its serial number."""
        issuer = self.kept.issuer(MANAGEMENT, certificates.of_agent(appliance), actor="test")
        names = [
            x509.UniformResourceIdentifier(pki.APPLIANCE_URN + appliance),
            x509.IPAddress(ip_address(ADDRESS)),
        ]
        made = issuer.issue(
            self.agent.key("agent").public_key(),
            common_name=appliance,
            usage=pki.Usage.SERVER,
            names=names,
            now=self.now,
        )
        self.agent.install(pki.pem(made))
        return pki.serial(pki.pem(made))


@asynccontextmanager
async def watched(
    place: Path, *, ago: timedelta = timedelta(0), authority_ago: timedelta = timedelta(0)
) -> AsyncIterator[Watched]:
    """An appliance that is deployed, enrolled, and has its document, so long ago; its authority may be older.

    TLS has no other clock than the machine's, so tests begin in the past and let time pass until now.
    """
    database = stores.made(place / "causeway.db")
    at = datetime.now(UTC) - ago
    moments: list[Watched] = []

    def time() -> datetime:
        return moments[0].now if moments else at

    sealing = vault.unlock(database, master_key.make(), now=time, actor="test")
    Authorities(database, sealing, now=lambda: at - authority_ago).establish(MANAGEMENT, actor="test")
    kept = Authorities(database, sealing, now=time)
    ledger = Ledger(database, now=time)
    own = identity.establish(kept, ledger, "ctl1", place / "identity", now=time)
    agent = AgentServer(appliance=ME, directory=place, controller_ca=own.authority)
    try:
        async with agent.serving(), Pool(own) as pool:
            made = Watched(place=place, database=database, kept=kept, pool=pool, agent=agent, now=at)
            moments.append(made)
            made.issue()
            agent.document = documents.document(SITE, ME, generation=1, epoch=1)
            entered = Deployed(id=ME, tenant=TENANT, host=HOST, address=ip_address(ADDRESS), port=agent.port)
            made.appliances.enter(entered, at=at)
            yield made
    finally:
        database.close()
