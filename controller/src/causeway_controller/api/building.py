"""The API put together from a database, who carries out runs, and who knows what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from causeway_controller.api import application
from causeway_controller.api.appliance_reports import AppliancesTold
from causeway_controller.api.appliances import ApplianceHandlers
from causeway_controller.api.audit import AuditHandlers
from causeway_controller.api.callers import Resolver
from causeway_controller.api.certificates import CertificateHandlers
from causeway_controller.api.explaining import ExplainHandlers
from causeway_controller.api.halves import HalfHandlers
from causeway_controller.api.hosts import HostHandlers
from causeway_controller.api.inventory import InventoryHandlers
from causeway_controller.api.joining import JoinHandlers
from causeway_controller.api.left_ends import LeftEnds
from causeway_controller.api.member_callers import MemberResolver
from causeway_controller.api.members import MemberHandlers
from causeway_controller.api.metrics import Metrics
from causeway_controller.api.ports import Peering, Services, Watcher
from causeway_controller.api.providers import ProviderHandlers
from causeway_controller.api.replica_entry import ReplicaEntry
from causeway_controller.api.replica_lists import ReplicaListHandlers
from causeway_controller.api.replicas import ReplicaHandlers
from causeway_controller.api.run_events import RunEvents
from causeway_controller.api.runs import RunHandlers
from causeway_controller.api.status import StatusHandlers
from causeway_controller.api.tenant_resources import Pulse, ResourceHandlers, within
from causeway_controller.api.throttle import Throttle
from causeway_controller.api.tokens import TokenHandlers
from causeway_controller.api.tunnels import TunnelHandlers
from causeway_controller.api.unready_providers import UnreadyProviders
from causeway_controller.api.updates import UpdateHandlers
from causeway_controller.contract.audiences import TENANTS
from causeway_controller.inventory.health import RESTART
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.audit import Audit
from causeway_controller.store.database import Database
from causeway_controller.store.halves import Halves
from causeway_controller.store.idempotency import Keys
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.ledger import Ledger
from causeway_controller.store.rebuilds import Rebuilds
from causeway_controller.store.replicas import Replicas
from causeway_controller.store.run_reports import RunsTold
from causeway_controller.store.runs import Runs
from causeway_controller.store.tenancies import Standings
from causeway_controller.store.tokens import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the API is made of."""

    database: Database
    services: Services
    now: Callable[[], datetime]
    clock: Callable[[], float]
    """Seconds that only grow."""
    random: Callable[[int], bytes]
    interval: float
    """Seconds between two looks at an appliance."""
    patience: float = 1.0
    """How many times slower than usual appliances are."""
    own: tuple[Watcher, ...] = ()
    """Of what the controller itself cannot do without."""
    watchers: tuple[Watcher, ...] = ()
    socket_group: int | None = None
    """Whose members are admins at the Unix socket."""


def build(parts: Parts) -> web.Application:
    """The application that serves the route table."""
    database, now = parts.database, parts.now
    inventories, told, audit = Inventories(database, now=now), RunsTold(database), Audit(database)
    tokens = Tokens(database=database, now=now, random=parts.random)
    metrics, events = Metrics(), RunEvents(told)
    runs = RunHandlers(
        service=parts.services.runs,
        told=told,
        stored=Runs(database),
        inventories=inventories,
        keys=Keys(database=database, now=now),
        audit=audit,
        now=now,
        tokens=tokens,
    )
    deployed = AppliancesTold(
        Appliances(database),
        Rebuilds(database),
        inventories,
        now=now,
        interval=parts.interval,
        restart=parts.patience * RESTART,
    )
    entry, told_of = ReplicaEntry(inventories=inventories, audit=audit, now=now), Replicas(database)
    replicas = ReplicaHandlers(
        entry=entry, told=told_of, standings=Standings(database), hosts=parts.services.hosts
    )
    lists = ReplicaListHandlers(entry=entry, told=told_of, hosts=parts.services.hosts)
    members = MemberHandlers(peering=parts.services.peering)
    providers = ProviderHandlers(service=parts.services.providers, links=parts.services.links)
    certificates = CertificateHandlers(
        ledger=Ledger(database, now=now), appliances=Appliances(database), now=now
    )
    left = LeftEnds(database=database, inventories=inventories, now=now)
    unready = UnreadyProviders(database=database, inventories=inventories)
    watchers = (*parts.watchers, members, providers, unready, certificates, left)
    status = StatusHandlers(
        inventories=inventories,
        runs=told,
        appliances=deployed,
        own=parts.own,
        watchers=watchers,
        metrics=metrics,
        replicas=told_of,
        tokens=tokens,
        database=database,
        now=now,
        standings=Standings(database),
    )
    built = application.create(
        {
            **InventoryHandlers(inventories).handlers(),
            **ApplianceHandlers(
                service=parts.services.appliances, told=deployed, audit=audit, now=now
            ).handlers(),
            **certificates.handlers(),
            **UpdateHandlers(service=parts.services.updates, audit=audit, now=now).handlers(),
            **ExplainHandlers(service=parts.services.explaining).handlers(),
            **HostHandlers(service=parts.services.hosts).handlers(),
            **runs.handlers(),
            **runs.of_staff(),
            **replicas.handlers(),
            **lists.handlers(),
            **events.handlers(),
            **TokenHandlers(tokens=tokens, inventories=inventories).handlers(),
            **AuditHandlers(audit=audit).handlers(),
            **members.handlers(),
            **providers.handlers(),
            **status.handlers(),
        },
        resolver=Resolver(tokens=tokens, throttle=Throttle(parts.clock), group=parts.socket_group),
        count=metrics.count,
        clock=parts.clock,
    )
    _stop(built, events)
    return built


def build_for_tenants(parts: Parts, peering: Peering) -> web.Application:
    """The application that tenants' controllers are served."""
    database, now, throttle = parts.database, parts.now, Throttle(parts.clock)
    inventories, told = Inventories(database, now=now), RunsTold(database)
    resolver = MemberResolver(members=peering.members, throttle=throttle)
    events = RunEvents(told, resolver)
    runs = RunHandlers(
        service=parts.services.runs,
        told=told,
        stored=Runs(database),
        inventories=inventories,
        keys=Keys(database=database, now=now),
        audit=Audit(database),
        now=now,
        tokens=Tokens(database=database, now=now, random=parts.random),
    )
    resources = ResourceHandlers(
        database=database,
        inventories=inventories,
        ledger=Ledger(database, now=now),
        pulse=Pulse(database),
        resolver=resolver,
    )
    built = application.create(
        {
            **JoinHandlers(peering=peering, throttle=throttle, now=now).handlers(),
            **resources.handlers(),
            **within({**runs.handlers(), **events.handlers()}),
            **TunnelHandlers(tunnels=peering.tunnels, inventories=inventories).handlers(),
            **HalfHandlers.over(Halves(database), runs=runs).handlers(),
        },
        resolver=resolver,
        count=Metrics().count,
        clock=parts.clock,
        routes=TENANTS.routes,
    )
    _stop(built, events)
    return built


def _stop(built: web.Application, events: RunEvents) -> None:
    """Streams end when the controller stops."""

    async def stop(_: web.Application) -> None:
        events.stopping.set()

    built.on_shutdown.append(stop)
