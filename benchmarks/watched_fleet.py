"""A fleet of appliances that are well and answer in this process, and the watch over them."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any, Final

from causeway_controller.failover import documents
from causeway_controller.inventory.health import Deployed, Power
from causeway_controller.inventory.tenancy import ManagementAccess, Site
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.database import Database
from causeway_controller.store.intentions import Intentions
from causeway_controller.workflows.watch import Watch
from causeway_wire import codec
from causeway_wire.observed import ApplianceState, DriftReport, Observed
from causeway_wire.types import ApplianceId, Name, TenantId
from tests import sites

INTERVAL = 120
"""Seconds between two looks at an appliance; what the documentation says for thousands."""
HOST = "esx1"
SITE = sites.site()
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def of(tenant: TenantId) -> Site:
    """The site of one of many tenants that are alike."""
    known = SITE.tenants["acme"]
    provider = replace(known.server, id=f"{tenant}-{HOST}")
    own = replace(known, id=tenant, provider=provider)
    return replace(SITE, tenants={tenant: own}, credentials={tenant: SITE.credentials["acme"]})


_NAMELESS: Final = "nameless"
_SAID: Final = codec.encode(
    Observed(
        appliance=_NAMELESS,
        state=ApplianceState.READY,
        observed_generation=1,
        epoch=1,
        role="provider",
        failover="idle",
        change=None,
        nics=(),
        tunnels=(),
        drift=DriftReport(repairs=0),
        started=BEGAN,
    )
)


class Appliance:
    """An appliance that is well, as its client shows it.

    Made for each look: what is kept of it is the controller's, whose memory is measured.
    """

    shown = None

    def __init__(self, tenant: TenantId) -> None:
        self._tenant = tenant
        self._id = f"{tenant}-{HOST}"

    async def observed(self) -> Observed:
        """What it is, parsed as from a connection."""
        await asyncio.sleep(0)
        return codec.decode(_SAID.replace(_NAMELESS.encode(), self._id.encode()), Observed)

    async def versions(self) -> Any:
        """The agent's."""
        return _Versions()

    async def etag(self) -> str:
        """Of the document that it should run."""
        found = documents.document(of(self._tenant), self._id, generation=1, epoch=1)
        return f'"1-{codec.digest(found)}"'


class _Versions:
    agent = "1.0"


class World:
    """A store with so many appliances, and a watch over them."""

    def __init__(self, database: Database, number: int) -> None:
        self._database = database
        self.appliances = Appliances(self._database)
        self.seconds = 0.0
        tenants = [f"t{each}" for each in range(number)]
        for tenant in tenants:
            place = Deployed(
                id=f"{tenant}-{HOST}", tenant=tenant, host=HOST, address=ip_address("192.0.2.1"), port=8443
            )
            self.appliances.enter(place, at=BEGAN)
        self.watch = Watch(
            appliances=self.appliances,
            intentions=Intentions(self._database),
            tenancies=self,
            clients=self._client,
            power=self._power,
            now=lambda: BEGAN + timedelta(seconds=self.seconds),
            clock=lambda: self.seconds,
            random=random.Random(1).random,  # noqa: S311 - the same each time, and no secret
            interval=INTERVAL,
        )

    async def load(self, tenant: TenantId, host: Name, plan: Name = "") -> Site:  # noqa: ARG002 - the Protocol's
        """The tenant's site."""
        return of(tenant)

    async def changed(self, tenant: TenantId, host: Name, site: Site) -> None:
        """No run ends here."""

    async def _client(self, appliance: ApplianceId, _access: ManagementAccess) -> Any:
        return Appliance(appliance.removesuffix(f"-{HOST}"))

    async def _power(self, _one: Deployed) -> Power:
        return Power.ON

    async def interval(self) -> tuple[float, int]:
        """Let an interval pass; the seconds of processor time that took, and how many were asked."""
        began, asked = time.process_time(), 0
        for _ in range(INTERVAL):
            self.seconds += 1
            asked += len(await self.watch.look())
        return time.process_time() - began, asked

    def close(self) -> None:
        """Let the store go."""
        self._database.close()
