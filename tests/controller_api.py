"""The controller's API in a test: over loopback with tokens, its store in SQLite, its runs with a fake."""

from __future__ import annotations

import io
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientResponse, ClientSession, web

from causeway_controller.api.building import Parts, build
from causeway_controller.api.ports import Watcher
from causeway_controller.api.runner import Runner
from causeway_controller.contract.access import Role
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.tokens import NewToken
from causeway_controller.store.database import Database
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.tokens import Tokens
from causeway_wire import codec
from tests import joining, stores
from tests.fakes.appliance_service import FakeAppliances, FakeHosts
from tests.fakes.run_service import FakeRunService
from tests.provider_inventory import seed_example, tenant

_random = itertools.count(1)


def numbered_octets(count: int) -> bytes:
    """Octets that differ each time."""
    return next(_random).to_bytes(count, "big")


@dataclass
class Moments:
    """Clocks that tests turn."""

    now: datetime = field(default_factory=lambda: datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC))
    seconds: float = 100.0

    def pass_(self, **time: float) -> None:
        self.now += timedelta(**time)
        self.seconds += timedelta(**time).total_seconds()


@dataclass(kw_only=True)
class Served:
    """A controller that answers."""

    database: Database
    runs: FakeRunService
    appliances: FakeAppliances
    hosts: FakeHosts
    session: ClientSession
    url: str
    stop: Callable[[], Awaitable[None]]
    moments: Moments
    secrets: dict[str, str] = field(default_factory=dict)

    def known(self, role: Role, whose: str | None = None, *, days: int = 90) -> str:
        """The secret of a token, made once for each role and tenant."""
        name = f"{role}-{whose}-{days}"
        if name not in self.secrets:
            tokens = Tokens(database=self.database, now=lambda: self.moments.now, random=numbered_octets)
            scope: Any = msgspec.UNSET if whose is None else whose
            asked = NewToken(name=f"{role.value}-1", role=role, tenant=scope, days=days)
            self.secrets[name] = tokens.make(asked, actor="test").secret
        return self.secrets[name]

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        role: Role | None = Role.ADMIN,
        whose: str | None = None,
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
    ) -> tuple[int, Any, ClientResponse]:
        """Status, decoded body, response."""
        sent = dict(headers or {})
        if role is not None:
            sent.setdefault("Authorization", f"Bearer {self.known(role, whose)}")
        if body is not None:
            data = codec.encode(body)
        content = None if data is None else io.BytesIO(data)
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self.session.request(method, self.url + path, data=content, headers=sent) as response:
            text = await response.read()
            decoded = msgspec.json.decode(text) if "json" in response.content_type and text else text.decode()
            return response.status, decoded, response


def two_tenants() -> Inventory:
    """The seed's example, and a second tenant without anything."""
    other = tenant("zeta", vms=(), failover_plans=(), public_addresses=())
    return seed_example(tenants=(tenant(), other))


@asynccontextmanager
async def serving(
    tmp_path: Path, *, inventory: Inventory | None = None, own: tuple[Watcher, ...] = ()
) -> AsyncIterator[Served]:
    """A controller on loopback; with an inventory at revision 1."""
    database = stores.made(tmp_path / "causeway.db")
    moments = Moments()
    if inventory is not None:
        Inventories(database, now=lambda: moments.now).replace(inventory, expected=0, actor="test")
    service, appliances, hosts = FakeRunService(database), FakeAppliances(), FakeHosts()
    parts = Parts(
        database=database,
        services=joining.services(
            database, runs=service, appliances=appliances, now=lambda: moments.now, hosts=hosts
        ),
        now=lambda: moments.now,
        clock=lambda: moments.seconds,
        random=numbered_octets,
        interval=30.0,
        own=own,
    )
    runner = Runner(build(parts), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with ClientSession() as session:
            yield Served(
                database=database,
                runs=service,
                appliances=appliances,
                hosts=hosts,
                session=session,
                url=f"http://127.0.0.1:{runner.addresses[0][1]}",
                moments=moments,
                stop=runner.cleanup,
            )
    finally:
        await runner.cleanup()
        database.close()
