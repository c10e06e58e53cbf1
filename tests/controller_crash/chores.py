"""Runs that are no failovers, for the crash matrix: their stages, how the world is before and after them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from causeway_controller.contract.requests import (
    Chore,
    Rebuild,
    RebuildGateway,
    Redeploy,
    RedeployGateway,
    Retire,
    RetireGateway,
    UpdateFleet,
)
from causeway_controller.fleet.update_file import UpdateFile
from causeway_controller.fleet.update_file import read as read_update
from causeway_controller.inventory.health import Deployed
from causeway_controller.inventory.modes import Idle
from causeway_controller.store.tenancies import Standing
from causeway_controller.workflows.chores import Kind
from causeway_controller.workflows.fleet_update import FleetUpdate
from causeway_controller.workflows.provisioning import Under
from causeway_controller.workflows.rebuilding import START, Rebuilding
from causeway_controller.workflows.redeploying import DEPLOY, REMOVE, Redeploying
from causeway_controller.workflows.retiring import FORGET, Retiring
from causeway_wire.types import ApplianceId, Name, TenantId
from causeway_wire.update import Slot
from tests.controller_crash.remote import RemoteAgent, RemoteHypervisor, Wire
from tests.controller_crash.world import Tenancy, World
from tests.workflow_bench import SITE

ME = SITE.tenants["acme"].provider.id
_OTHERS = tuple(one.id for one in SITE.tenants["acme"].appliances.values())
UPDATED = {"acme": ME, "beta": _OTHERS[0]}
"""Two appliances that are updated, by the tenant whose they are called."""
_CAUSE = "no answer"
VERSION = "2"
"""Of the update that is in each controller's directory."""
_CALM = "calm"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoreCase:
    """A chore: how the world is before it, and how it is after it whoever was killed."""

    stages: tuple[str, ...]
    ask: Callable[[str, str], Chore]
    """Given the place, which a gateway's name is, and the build of the update."""
    before: Callable[[Tenancy], None]
    updated: bool = False
    retired: bool = False


def _missing(found: Tenancy) -> None:
    """What is not there says nothing."""
    found.agents[ME].lost = True
    del found.hypervisor.on[ME]


def _hanging(found: Tenancy) -> None:
    """It runs and says nothing until it was started anew."""
    found.agents[ME].lost = True


def _hopeless(found: Tenancy) -> None:
    """It runs and says nothing, whatever is done to it."""
    found.agents[ME].lost = True
    found.hopeless = True


def _well(_found: Tenancy) -> None:
    """Nothing is wrong."""


def _rebuild(_place: str, _build: str) -> Chore:
    return Rebuild(tenant="acme", cause=_CAUSE)


def _gateway(place: str, _build: str) -> Chore:
    return RebuildGateway(gateway=place, host="esx1", cause=_CAUSE)


def _redeploy(_place: str, _build: str) -> Chore:
    return Redeploy(tenant="acme")


def _redeploy_gateway(place: str, _build: str) -> Chore:
    return RedeployGateway(gateway=place, keep_certificates=True)


def _retire(_place: str, _build: str) -> Chore:
    return Retire(tenant="acme")


def _retire_gateway(place: str, _build: str) -> Chore:
    return RetireGateway(gateway=place)


def _update(_place: str, build: str) -> Chore:
    return UpdateFleet(build=build)


_REBUILD = (START, REMOVE, DEPLOY)
_REDEPLOY = (REMOVE, DEPLOY)
_RETIRE = (REMOVE, FORGET)
CHORES: Mapping[str, ChoreCase] = {
    "rebuild-missing": ChoreCase(stages=_REBUILD, ask=_rebuild, before=_missing),
    "rebuild-hanging": ChoreCase(stages=(START,), ask=_rebuild, before=_hanging),
    "rebuild-hopeless": ChoreCase(stages=_REBUILD, ask=_rebuild, before=_hopeless),
    "rebuild-gateway": ChoreCase(stages=_REBUILD, ask=_gateway, before=_missing),
    "redeploy": ChoreCase(stages=_REDEPLOY, ask=_redeploy, before=_well),
    "redeploy-missing": ChoreCase(stages=_REDEPLOY, ask=_redeploy, before=_missing),
    "redeploy-gateway": ChoreCase(stages=_REDEPLOY, ask=_redeploy_gateway, before=_well),
    "retire": ChoreCase(stages=_RETIRE, ask=_retire, before=_well, retired=True),
    "retire-gateway": ChoreCase(stages=_RETIRE, ask=_retire_gateway, before=_well, retired=True),
    "update-all": ChoreCase(
        stages=tuple(f"{tenant}/one" for tenant in UPDATED), ask=_update, before=_well, updated=True
    ),
}


def ended(workflow: str) -> object:
    """What the world of a tenancy is after the chore, and what the store is."""
    world = World(SITE, [_CALM])
    agents, on, slots = world.state(_CALM)
    if CHORES[workflow].updated:
        slots |= dict.fromkeys(UPDATED.values(), Slot.B)
    if CHORES[workflow].retired:
        del on[ME]
    return (agents, on, slots), Standing(mode=Idle())


class _Life:
    """`rebuilding.Bringing`, over the wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def deployed(self, tenant: TenantId, host: Name) -> Deployed:
        return _deployed(ME, tenant, host)

    async def check(
        self, tenant: TenantId, host: Name, *, under: Under | None, in_place: bool = False
    ) -> None:
        """It can be."""

    async def bring(self, tenant: TenantId, host: Name, *, under: Under) -> ApplianceId:
        await self._wire.post(f"/bring/{host}", name=ME, epoch=under.epoch)
        return ME

    async def clear(
        self, one: Deployed, *, actor: str, reason: str, revoke: bool, unless: Callable[[], Awaitable[bool]]
    ) -> bool:
        if await unless():
            return False
        await self._wire.post(f"/clear/{one.host}", name=ME)
        return True


class _Ending:
    """`retiring.Ending`, over the wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def deployed(self, tenant: TenantId, host: Name) -> Deployed:
        return _deployed(ME, tenant, host)

    async def check_host(self, tenant: TenantId, host: Name) -> None:
        pass

    async def refuse_in_use(self, one: Deployed, *, but: str) -> None:
        """It is not."""

    async def remove(self, tenant: TenantId, host: Name, *, run: str, in_charge: Callable[[], None]) -> None:
        in_charge()
        await self._wire.post(f"/clear/{host}", name=ME)

    async def forget(self, tenant: TenantId, host: Name, *, actor: str) -> None:
        """What the store is told is told once: see `test_life`."""


class _Fleet:
    """`store.Appliances`, as far as an update asks it: two appliances at each place."""

    def all(self) -> tuple[Deployed, ...]:
        return tuple(_deployed(name, tenant, "one") for tenant, name in UPDATED.items())

    def find(self, tenant: TenantId, host: Name) -> Deployed | None:
        return _deployed(UPDATED[tenant], tenant, host)


class _Standings:
    """`store.Standings`, as far as an update asks it: nobody failed over."""

    def all(self) -> dict[tuple[TenantId, Name], Standing]:
        return {}

    def get(self, _tenant: TenantId, _host: Name) -> Standing:
        return Standing()


def kinds(wire: Wire, directory: Path, runs: Any, in_charge: Callable[[], None]) -> dict[type[Chore], Kind]:
    """What a controller does besides failovers; its update file is in the directory."""

    async def hosts(_tenant: TenantId, _host: Name) -> Any:
        return RemoteHypervisor(wire)

    async def clients(appliance: ApplianceId, _access: object) -> Any:
        return RemoteAgent(wire, appliance)

    async def file(_build: str) -> UpdateFile:
        return read_update(directory / f"causeway-{VERSION}.update")

    rebuilding = Rebuilding(life=_Life(wire), hosts=hosts, clients=clients, in_charge=in_charge)
    fleet: Any = _Fleet()
    standings: Any = _Standings()
    updating = FleetUpdate(
        appliances=fleet,
        standings=standings,
        runs=runs,
        files=file,
        clients=clients,
        in_charge=in_charge,
        poll=0.1,
    )
    redeploying = Redeploying(life=_Life(wire), in_charge=in_charge)
    retiring = Retiring(life=_Ending(wire), in_charge=in_charge)
    return {
        Rebuild: rebuilding,
        RebuildGateway: rebuilding,
        Redeploy: redeploying,
        RedeployGateway: redeploying,
        Retire: retiring,
        RetireGateway: retiring,
        UpdateFleet: updating,
    }


def whose(chore: Chore, place: Name) -> dict[str, Any]:
    """Whose run it is: a gateway and the whole fleet are nobody's."""
    return {"tenant": chore.tenant if isinstance(chore, Rebuild | Redeploy | Retire) else None, "host": place}


def _deployed(name: ApplianceId, tenant: TenantId, host: Name) -> Deployed:
    return Deployed(id=name, tenant=tenant, host=host, address=ip_address("192.0.2.1"), port=8443)
