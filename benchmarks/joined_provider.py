"""A provider's controller that serves many tenants' controllers: `python -m benchmarks.joined_provider ...`.

Real: the store, mutual TLS and membership at each request, the tenants' API, engine, lease, guardian, what
makes sites of the inventory, and the watch. Its appliances and machines are at the other end of a socket;
those that are only asked how they are answer in this process, without TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from benchmarks import joined_sites, watched_fleet
from causeway_controller.api.building import Parts, build_for_tenants
from causeway_controller.api.ports import Peering
from causeway_controller.app import heap, members_tls
from causeway_controller.app.members_tls import MemberTls
from causeway_controller.app.sites import Sites
from causeway_controller.failover.steps import MachineRef
from causeway_controller.fleet import tls
from causeway_controller.fleet.client import AgentClient
from causeway_controller.fleet.pool import Pool
from causeway_controller.peers.half import HalfPatience
from causeway_controller.settings import ForTenants, Listen
from causeway_controller.store.counters import Epochs, StoredGenerations
from causeway_controller.store.database import Database, beside, connect
from causeway_controller.store.halves import Halves
from causeway_controller.store.leases import Leases
from causeway_controller.store.runs import Runs as StoredRuns
from causeway_controller.workflows.actions import Executor
from causeway_controller.workflows.durable import DurableEngine
from causeway_controller.workflows.guardian import Guardian
from causeway_controller.workflows.leases import SECONDS, Lease
from causeway_controller.workflows.runs import Runs
from causeway_controller.workflows.timing import Timing
from causeway_wire.types import ApplianceId, TenantId, VmName
from tests import joining
from tests.controller_crash.remote import CURRENT_RUN, HOST, RemoteAgent, RemoteHooks, RemoteHypervisor, Wire
from tests.fakes.appliance_service import FakeAppliances

READY: Final = "ready"
WATCHED: Final = "watched.db"
"""The store of the appliances that are only asked, made by who starts this process."""
_ACTOR: Final = "bench"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is told."""

    url: str
    port: int
    """Of loopback, where tenants' controllers are served."""
    socket: str
    """Of the world."""
    directory: str
    appliances: int
    """How many are asked how they are."""


class Known:
    """A pool of clients that has none: the agents are reached by `RemoteAgent`."""

    async def know(self, _appliance: ApplianceId, _access: object) -> AgentClient | None:
        """Return nothing."""


async def control(settings: Settings) -> None:
    """Be a controller until somebody ends it."""
    tls.small_buffers()
    database, own = connect(settings.url), connect(settings.url)
    lease = Lease(Leases(own), name="bench", seconds=SECONDS)
    lease.begin()
    wire = Wire(Path(settings.socket), "bench")
    runs = _runs(database, wire, lease)

    async def body(run: str) -> None:
        CURRENT_RUN.set(run)
        await runs.carry_out(run)

    engine = DurableEngine(beside(settings.url, "engine"), controller="bench", body=body)
    async with engine:
        runs.use(engine)
        guardian = Guardian(
            lease=lease, leases=Leases(database), engine=engine, runs=runs, now=joined_sites.now
        )
        watched = watched_fleet.World(
            connect(f"sqlite:///{settings.directory}/{WATCHED}"), settings.appliances
        )
        await watched.interval()  # in which all are met
        async with _for_tenants(settings, database, runs):
            tasks = [asyncio.create_task(guardian.run()), asyncio.create_task(_watch(watched))]
            heap.settle()
            print(READY, flush=True)
            await asyncio.gather(*tasks)


async def _watch(watched: watched_fleet.World) -> None:
    """Ask each appliance once in an interval, by the clock on the wall."""
    began, before = time.monotonic(), watched.seconds
    while True:
        watched.seconds = before + time.monotonic() - began
        await watched.watch.look()
        await asyncio.sleep(1)


def _runs(database: Database, wire: Wire, lease: Lease) -> Runs:
    sealing = joining.unlocked(database, now=joined_sites.now)
    sites = Sites(
        database,
        sealing,
        pool=cast(Pool, Known()),
        controllers=(),
        image=Path("image"),
        halves=HalfPatience(),
        now=joined_sites.now,
    )

    def agent(appliance: ApplianceId) -> Any:
        HOST.set(appliance.removesuffix(f"-{joined_sites.HOST}"))
        return RemoteAgent(wire, appliance)

    def machine(reference: MachineRef) -> RemoteHypervisor:
        HOST.set(reference.tenant)
        return RemoteHypervisor(wire)

    async def answers(_tenant: TenantId, _vm: VmName) -> bool:
        return True

    return Runs(
        runs=StoredRuns(database),
        epochs=Epochs(database),
        tenancies=sites,
        executor=Executor(
            agents=agent,
            hypervisors=machine,
            generations=StoredGenerations(database),
            answers=answers,
            timing=Timing(),
            hooks=RemoteHooks(wire),
            words=Halves(database),
            in_charge=lease.in_charge,
        ),
        controller="bench",
    )


@contextlib.asynccontextmanager
async def _for_tenants(settings: Settings, database: Database, runs: Runs) -> AsyncIterator[None]:
    """Tenants' controllers are served as long as this is open."""
    services = joining.services(
        database, runs=cast(Any, runs), appliances=FakeAppliances(), now=joined_sites.now
    )
    peering = cast(Peering, services.peering)
    parts = Parts(
        database=database,
        services=services,
        now=joined_sites.now,
        clock=time.monotonic,
        random=secrets.token_bytes,
        interval=watched_fleet.INTERVAL,
    )
    listen = Listen(address="127.0.0.1", port=settings.port)
    where = ForTenants(listen=listen, url=f"https://127.0.0.1:{settings.port}")
    application, shown = build_for_tenants(parts, peering), cast(MemberTls, peering.shown)
    async with members_tls.serving(application, shown, where, actor=_ACTOR):
        yield


if __name__ == "__main__":
    heap.share()
    asyncio.run(control(msgspec.json.decode(sys.argv[1], type=Settings)))
