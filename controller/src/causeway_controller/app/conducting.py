"""Who carries runs out, put together: the store, agents, hosts, this controller's lease, and the engine."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

from causeway_controller.api.ports import Services
from causeway_controller.app import identity, peering, unlocking
from causeway_controller.app.identity import Refresh
from causeway_controller.app.serving import utc_now
from causeway_controller.app.sites import Sites
from causeway_controller.contract import requests
from causeway_controller.fleet import enrolment, tls, updates
from causeway_controller.fleet.pool import Pool
from causeway_controller.inventory import certificates
from causeway_controller.peers.half import HalfPatience
from causeway_controller.settings import Settings
from causeway_controller.store import authorities
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.audit import Audit
from causeway_controller.store.authorities import Authorities
from causeway_controller.store.counters import Epochs, StoredGenerations
from causeway_controller.store.database import Database, beside, connect
from causeway_controller.store.enrolments import Enrolments
from causeway_controller.store.halves import Halves
from causeway_controller.store.intentions import Intentions
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.leases import Leases
from causeway_controller.store.ledger import Ledger
from causeway_controller.store.links import Links
from causeway_controller.store.rebuilds import Rebuilds
from causeway_controller.store.replicas import Replicas
from causeway_controller.store.runs import Runs as StoredRuns
from causeway_controller.store.tenancies import Standings
from causeway_controller.store.told import Told
from causeway_controller.trust import pki
from causeway_controller.trust.identity import ControllerIdentity
from causeway_controller.trust.sealing import Vault
from causeway_controller.workflows.actions import Executor
from causeway_controller.workflows.appliances import BOOT_SECONDS, Onboarding
from causeway_controller.workflows.asking import Asking
from causeway_controller.workflows.bringing_back import BringingBack
from causeway_controller.workflows.certifying import Certifying
from causeway_controller.workflows.durable import DurableEngine
from causeway_controller.workflows.explaining import Explaining
from causeway_controller.workflows.fleet_update import FleetUpdate
from causeway_controller.workflows.gateways import ByKind, GatewayProvisioning
from causeway_controller.workflows.guardian import Guardian
from causeway_controller.workflows.hook_calls import HookCalls
from causeway_controller.workflows.host_checks import HostChecks
from causeway_controller.workflows.leases import Lease
from causeway_controller.workflows.life import Life
from causeway_controller.workflows.obliging import Obliging
from causeway_controller.workflows.providers import Providers
from causeway_controller.workflows.provisioning import Provisioning
from causeway_controller.workflows.rebuilding import Rebuilding
from causeway_controller.workflows.redeploying import Redeploying
from causeway_controller.workflows.renewal import Renewal
from causeway_controller.workflows.retiring import Retiring
from causeway_controller.workflows.returning import Returning
from causeway_controller.workflows.runs import Runs
from causeway_controller.workflows.timing import Timing
from causeway_controller.workflows.tunnel_renewal import TunnelRenewal
from causeway_controller.workflows.tunnels import ClientCertificates, ServerCertificates
from causeway_controller.workflows.updating import Updating
from causeway_controller.workflows.upkeep import Upkeep
from causeway_controller.workflows.watch import Watch
from causeway_wire.types import ApplianceId

_SETTLED: Final = 4
"""Intervals after which every controller that lives has read which authorities are trusted."""
_NAME_LENGTH: Final = 46
_NAME_OCTETS: Final = 8


@asynccontextmanager
async def conduct(settings: Settings, database: Database) -> AsyncIterator[Services]:
    """Bring up who carries runs out, and take it down again.

    Raises StartError, StoreError, MasterKeyError before anything acts.
    """
    sealing = await asyncio.to_thread(
        unlocking.unlocked, settings, database, now=utc_now, actor=settings.name
    )
    kept = Authorities(database, sealing, now=utc_now)
    place = settings.state / "identity"
    ledger = Ledger(database, now=utc_now)

    def establish() -> ControllerIdentity:
        return identity.establish(kept, ledger, settings.name, place, now=utc_now)

    own = await asyncio.to_thread(establish)
    tls.small_buffers()
    async with _leased(settings) as lease, Pool(own, patience=settings.patience) as pool:
        sites = Sites(
            database,
            sealing,
            pool=pool,
            controllers=settings.sources,
            image=settings.image,
            halves=HalfPatience().longer(settings.patience),
            now=utc_now,
        )
        generations = StoredGenerations(database)
        links, told = Links(database, sealing, now=utc_now), Told(database, sealing, now=utc_now)
        certifying = Certifying(authorities=kept, ledger=ledger, now=utc_now, actor=settings.name)
        onboarding = _onboarding(database, sealing, kept, pool, settings)
        provisioning = Provisioning(
            inventories=Inventories(database, now=utc_now),
            tenancies=sites,
            hosts=sites.host,
            clients=pool.know,
            onboarding=onboarding,
            runs=StoredRuns(database),
            epochs=Epochs(database),
            generations=generations,
            appliances=Appliances(database),
            ends=ClientCertificates(links=links, told=told, now=utc_now),
            servers=ServerCertificates(certifying),
            now=utc_now,
            patience=settings.patience,
        )
        gateways = GatewayProvisioning(
            inventories=Inventories(database, now=utc_now),
            tenancies=sites,
            hosts=sites.host,
            clients=pool.know,
            onboarding=onboarding,
            certifying=certifying,
            runs=StoredRuns(database),
            epochs=Epochs(database),
            generations=generations,
            appliances=Appliances(database),
            now=utc_now,
            patience=settings.patience,
        )
        renewal = Renewal(
            authority=authorities.management(identity.PROVIDER),
            authorities=kept,
            ledger=ledger,
            appliances=Appliances(database),
            audit=Audit(database),
            clients=pool.know,
            anew=pool.anew,
            in_charge=lease.in_charge,
            now=utc_now,
            settled=timedelta(seconds=_SETTLED * settings.interval + settings.lease),
            actor=settings.name,
        )
        refresh = Refresh(establish=establish, ledger=ledger, pool=pool)
        trial = updates.USUAL.longer(settings.patience)
        updating = Updating(
            directory=settings.state / "updates",
            appliances=Appliances(database),
            standings=Standings(database),
            runs=StoredRuns(database),
            clients=pool.know,
            in_charge=lease.in_charge,
            now=utc_now,
            trial=trial,
        )
        life = Life(
            provisioning=ByKind(provisioning, gateways),
            renewal=renewal,
            appliances=Appliances(database),
            ledger=ledger,
            runs=StoredRuns(database),
            inventories=Inventories(database, now=utc_now),
            tenancies=sites,
            standings=Standings(database),
            hosts=sites.host_of,
            forget=pool.forget,
            forget_token=Enrolments(database, sealing, now=utc_now, make=enrolment.make_token).drop,
            refresh=refresh,
            ends=told,
        )
        rebuilding = Rebuilding(life=life, hosts=sites.host_of, clients=pool.know, in_charge=lease.in_charge)
        redeploying = Redeploying(life=life, in_charge=lease.in_charge)
        retiring = Retiring(life=life, in_charge=lease.in_charge)
        runs = Runs(
            runs=StoredRuns(database),
            epochs=Epochs(database),
            tenancies=sites,
            executor=Executor(
                agents=pool,
                hypervisors=sites.machine,
                generations=generations,
                answers=sites.answers,
                timing=Timing().longer(settings.patience),
                hooks=HookCalls(settings.hooks),
                words=Halves(database),
                halves=sites.half,
                unenrolled=sites.unenrolled,
                in_charge=lease.in_charge,
            ),
            controller=lease.name,
            chores={
                requests.Rebuild: rebuilding,
                requests.RebuildGateway: rebuilding,
                requests.Redeploy: redeploying,
                requests.RedeployGateway: redeploying,
                requests.Retire: retiring,
                requests.RetireGateway: retiring,
                requests.AskTenant: Asking(
                    inventories=Inventories(database, now=utc_now),
                    members=peering.members(database, sealing),
                    halves=Halves(database),
                    standings=Standings(database),
                    runs=StoredRuns(database),
                    now=utc_now,
                ),
                requests.UpdateFleet: FleetUpdate(
                    appliances=Appliances(database),
                    standings=Standings(database),
                    runs=StoredRuns(database),
                    files=updating.file,
                    clients=pool.know,
                    in_charge=lease.in_charge,
                    trial=trial,
                ),
            },
        )
        providers = Providers(links, told, left=sites.left)
        upkeep = Upkeep(
            lease=lease,
            leases=Leases(database),
            watch=_watch(settings, database, sites, pool),
            renewal=renewal,
            bringing_back=BringingBack(
                runs=runs,
                rebuilds=Rebuilds(database),
                inventories=Inventories(database, now=utc_now),
                audit=Audit(database),
                power=sites.powered,
                now=utc_now,
                interval=settings.interval,
                actor=settings.name,
                patience=settings.patience,
            ),
            cares=(
                gateways,
                Obliging(
                    inventories=Inventories(database, now=utc_now),
                    told=told,
                    resources=providers.resources,
                    links=links,
                    start=runs.start,
                    is_open=StoredRuns(database).is_open,
                ),
                TunnelRenewal(
                    due=provisioning.due,
                    conform=life.conform,
                    revoked=lambda: Intentions(database).revoked().named,
                    audit=Audit(database),
                    now=utc_now,
                    actor=settings.name,
                ),
                Returning(
                    inventories=Inventories(database, now=utc_now),
                    standings=Standings(database),
                    told=told,
                    resources=providers.resources,
                    runs=runs,
                    actor=settings.name,
                    interval=settings.interval,
                ),
            ),
            refresh=refresh,
            revoked=Intentions(database).revoked,
            interval=settings.interval,
        )
        provider = await peering.establish(settings, database, sealing, kept)
        services = Services(
            runs=runs,
            appliances=life,
            updates=updating,
            providers=providers,
            links=links,
            explaining=Explaining(
                inventories=Inventories(database, now=utc_now),
                tenancies=sites,
                appliances=Appliances(database),
                agents=pool,
                hypervisors=sites.machine,
            ),
            hosts=HostChecks(
                inventories=Inventories(database, now=utc_now),
                standings=Standings(database),
                hosts=sites.host,
                told=Replicas(database),
                refused=Ledger(database, now=utc_now).refused,
                now=utc_now,
            ),
            peering=None if provider is None else provider.peering,
        )
        async with (
            _ended(sites.close),
            _ended(updating.close),
            _carried_out(settings, database, runs, lease),
            _looked_after(upkeep),
            peering.followed(providers),
            peering.for_tenants(settings, database, provider, services),
        ):
            yield services


@asynccontextmanager
async def _leased(settings: Settings) -> AsyncIterator[Lease]:
    """The lease of this process, which has a name that no other ever has, and a database of its own."""
    database = connect(settings.store.reveal())
    name = f"{settings.name[:_NAME_LENGTH]}-{secrets.token_hex(_NAME_OCTETS)}"
    lease = Lease(Leases(database), name=name, seconds=settings.lease)
    await asyncio.to_thread(lease.begin)
    try:
        yield lease
    finally:
        await asyncio.to_thread(lease.end)
        await asyncio.to_thread(database.close)


@asynccontextmanager
async def _carried_out(
    settings: Settings, database: Database, runs: Runs, lease: Lease
) -> AsyncIterator[None]:
    """Runs are carried out, and on, as long as this is open."""
    url = beside(settings.store.reveal(), "engine")
    engine = DurableEngine(url, controller=lease.name, body=runs.carry_out)
    async with engine:
        runs.use(engine)
        guardian = Guardian(lease=lease, leases=Leases(database), engine=engine, runs=runs, now=utc_now)
        guarding = asyncio.create_task(guardian.run())
        try:
            yield
        finally:
            guarding.cancel()
            with suppress(asyncio.CancelledError):
                await guarding


@asynccontextmanager
async def _ended(end: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await end()


@asynccontextmanager
async def _looked_after(upkeep: Upkeep) -> AsyncIterator[None]:
    """Appliances are looked after as long as this is open."""
    going_round = asyncio.create_task(upkeep.run())
    try:
        yield
    finally:
        going_round.cancel()
        with suppress(asyncio.CancelledError):
            await going_round


def _watch(settings: Settings, database: Database, sites: Sites, pool: Pool) -> Watch:
    return Watch(
        appliances=Appliances(database),
        intentions=Intentions(database),
        tenancies=sites,
        clients=pool.know,
        power=sites.powered,
        now=utc_now,
        clock=time.monotonic,
        random=random.random,
        interval=settings.interval,
    )


def _onboarding(
    database: Database, sealing: Vault, kept: Authorities, pool: Pool, settings: Settings
) -> Onboarding:
    def issuer(appliance: ApplianceId) -> pki.Issuer:
        management = authorities.management(identity.PROVIDER)
        return kept.issuer(management, certificates.of_agent(appliance), actor=settings.name)

    return Onboarding(
        identity=lambda: pool.identity,
        issuer=issuer,
        tokens=Enrolments(database, sealing, now=utc_now, make=enrolment.make_token),
        now=utc_now,
        ssh_keys=settings.ssh_keys,
        time_servers=settings.time_servers,
        patience=settings.patience,
        boot=settings.patience * BOOT_SECONDS,
    )
