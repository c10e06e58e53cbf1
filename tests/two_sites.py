"""A provider's controller and tenants' controllers in one process, over real TLS with a line in between."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from causeway_controller.api.building import Parts, build_for_tenants
from causeway_controller.api.members import MemberHandlers
from causeway_controller.api.ports import Peering, RunService, Services
from causeway_controller.app import members_tls
from causeway_controller.app.members_tls import MemberTls
from causeway_controller.contract.joining import Invitation
from causeway_controller.peers.kept_clients import KeptClients
from causeway_controller.settings import ForTenants, Listen
from causeway_controller.store.audit import Audit
from causeway_controller.store.authorities import Authorities
from causeway_controller.store.database import Database
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.links import Link, Links
from causeway_controller.store.told import Told
from causeway_controller.workflows.providers import Providers
from tests import joining, stores
from tests.controller_api import two_tenants
from tests.fakes.appliance_service import FakeAppliances
from tests.fakes.run_service import FakeRunService
from tests.faulty_line import Line, line

NAME = "north"
"""What tenants call the provider."""


@dataclass
class Clock:
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time_: float) -> None:
        self.now += timedelta(**time_)


@dataclass
class Tenant:
    """A tenant's controller: its store, and what asks."""

    database: Database
    links: Links
    told: Told
    providers: Providers

    async def join(self, invitation: Invitation) -> None:
        await self.providers.join(invitation, NAME, actor="anna")

    async def leave(self) -> None:
        await self.providers.leave(NAME, actor="anna", force=False)

    def link(self) -> Link:
        return self.links.get(NAME)


@dataclass
class World:
    directory: Path
    clock: Clock
    database: Database
    peering: Peering
    services: Services
    runs: Any
    """Who carries out runs; a `FakeRunService` unless a test brings others."""
    tls: MemberTls
    kept: Authorities
    line: Line

    def invited(self, tenant: str = "acme", **more: Any) -> Invitation:
        """An invitation whose URL leads over the line."""
        made = joining.invited(self.peering, tenant, **more)
        return Invitation(
            url=f"https://127.0.0.1:{self.line.own}",
            pins=made.pins,
            secret=made.secret,
            expires=made.expires,
            tenant=tenant,
        )

    @asynccontextmanager
    async def tenant(self, name: str = "acme", *, ahead: timedelta = timedelta()) -> AsyncIterator[Tenant]:
        """A controller of its own; its clock may be ahead of the provider's."""
        database = stores.made(self.directory / f"{name}.db")

        def now() -> datetime:
            return self.clock() + ahead

        sealing = joining.unlocked(database, now=now)
        links, told = Links(database, sealing, now=now), Told(database, sealing, now=now)
        providers = Providers(links, told, left=KeptClients().forget)
        yield Tenant(database=database, links=links, told=told, providers=providers)
        database.close()

    def acts(self) -> list[str]:
        return [record.act.action for record in Audit(self.database).records()]

    async def troubles(self) -> list[str]:
        return [each.detail for each in await MemberHandlers(peering=self.peering).troubles()]

    def members(self) -> list[str]:
        return [each.tenant for each in self.peering.members.list(next_key=None)]


@asynccontextmanager
async def two_sites(
    place: Path, port: int, made_runs: Callable[[Database], RunService] = FakeRunService
) -> AsyncIterator[World]:
    """A provider that serves tenants' controllers at this port of loopback, and a line to it."""
    clock = Clock()
    database = stores.made(place / "provider.db")
    Inventories(database, now=clock).replace(two_tenants(), expected=0, actor="test")
    sealing = joining.unlocked(database, now=clock)
    runs = made_runs(database)
    services = joining.services(database, runs=runs, appliances=FakeAppliances(), now=clock)
    assert services.peering is not None
    kept = Authorities(database, sealing, now=clock)
    where = ForTenants(listen=Listen(address="127.0.0.1", port=port), url=joining.URL)
    tls = services.peering.shown
    assert isinstance(tls, MemberTls)
    parts = Parts(
        database=database,
        services=services,
        now=clock,
        clock=time.monotonic,
        random=secrets.token_bytes,
        interval=30,
    )
    application = build_for_tenants(parts, services.peering)
    async with (
        members_tls.serving(application, tls, where, actor="test"),
        line(port) as made,
    ):
        yield World(
            directory=place,
            clock=clock,
            database=database,
            peering=services.peering,
            services=services,
            runs=runs,
            tls=tls,
            kept=kept,
            line=made,
        )
    database.close()
