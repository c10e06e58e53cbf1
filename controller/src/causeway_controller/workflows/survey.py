"""Looks at a run's machines and appliances and changes nothing: before it begins, and when it is over.

What is found before stands in the way: a machine that no host has, an appliance that does not answer. After a
run, however it ended, the same look says what is where: nobody should have to find that out at night.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from causeway_controller.errors import (
    AgentUnreachable,
    ControllerError,
    MachineMissing,
    PeerUnreachable,
    PreflightFailed,
)
from causeway_controller.failover.steps import (
    Call,
    MachineKind,
    MachineRef,
    Power,
    Step,
    appliances,
    replica_machine,
)
from causeway_controller.inventory import modes
from causeway_controller.inventory.tenancy import ProviderHalf, Tenant
from causeway_controller.workflows import readiness
from causeway_controller.workflows.ports import Hooks, Hypervisors, Questioned, Unenrolled
from causeway_wire.observed import Observed
from causeway_wire.problem import ProblemError
from causeway_wire.types import ApplianceId, VmName

_AT_ONCE: Final = 16
TOLD: Final = 20
"""So many obstacles at most are told one by one."""
_UNKNOWN = (ControllerError, ProblemError, TimeoutError)

Asked = TypeVar("Asked")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store says of the provider's appliance."""

    appliance: ApplianceId
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Asks agents and hypervisors, none of them for longer than `patience` seconds.

    The seconds begin when it is its turn: of a thousand runs that begin at once, the last ones would wait for
    this controller and take an appliance for silent.
    """

    agents: Callable[[ApplianceId], Questioned]
    hypervisors: Hypervisors
    hooks: Hooks
    turns: asyncio.Semaphore
    patience: float
    pause: float
    """Seconds until an agent that did not answer is asked again."""
    unenrolled: Unenrolled

    async def obstacles(
        self, steps: Sequence[Step], own: Collection[VmName], known: Known | None = None
    ) -> tuple[str, ...]:
        """Return what would stop these steps, in words.

        A replica is none whose failure stops no other one, unless it is the same with all of them. One that
        runs before it was powered on is, unless it is of `own`: those that the tenant's runs may have on; or
        unless the appliance is in another failover than is `known`: then the store is older than that, for it
        was restored from a backup, and has forgotten the run. An appliance that is to be on and answers is
        none, whatever its host says.
        """
        powers = _first(steps)
        power = await _each(powers, self._power)
        booting = _booting(powers, power)
        asked = [one for one in _required(steps) if one not in booting]
        silent = await _each(asked, self._silent)
        silent |= {one: await self._never(one) for one in booting}
        missing = {machine: _missing(machine, found) for machine, found in power.items()}
        for machine in missing.keys() & _stay_on(steps):
            if machine.appliance in silent and silent[machine.appliance] is None:
                missing[machine] = None
        for machine in power:
            if machine.appliance is not None and (why := silent.get(machine.appliance)) is not None:
                silent[machine.appliance] = None if missing[machine] else _mute(machine, why)
        replicas = [one for one in powers if one.kind is MachineKind.REPLICA]
        hopeless = bool(replicas) and all(missing[one] is not None for one in replicas)
        lacks = (missing[one] for one, step in powers.items() if step.required or hopeless)
        foreign = [_running(one) for one in replicas if _is_foreign(powers[one], power[one], own)]
        if foreign and known is not None and await self._is_older(known):
            foreign = []
        return (
            *self._uncalled(steps),
            *foreign,
            *(one for one in (*lacks, *silent.values()) if one is not None),
        )

    def _uncalled(self, steps: Sequence[Step]) -> Iterator[str]:
        for step in steps:
            if isinstance(step.action, Call) and step.required and not self.hooks.known(step.action.hook):
                yield (
                    f"the controller's settings have no hook {step.action.hook}, which the plan calls; "
                    f"enter it as hooks.{step.action.hook}.call"
                )

    async def _is_older(self, known: Known) -> bool:
        seen = await self._observed(known.appliance)
        return isinstance(seen, Observed) and seen.failover not in {modes.Idle.name, known.mode}

    async def refuse(
        self, steps: Sequence[Step], *, own: Collection[VmName], known: Known | None = None
    ) -> None:
        """Raise PreflightFailed when something would stop these steps; `own`, `known` as of `obstacles`."""
        found = await self.obstacles(steps, own, known)
        if found:
            more = (f"and {len(found) - TOLD} more",) if len(found) > TOLD else ()
            raise PreflightFailed((*found[:TOLD], *more))

    async def now(self, tenant: Tenant, steps: Sequence[Step], vms: Iterable[VmName]) -> dict[str, Any]:
        """Return the mode of each appliance of the run, each VM's power, and who holds which address.

        JSON values; what cannot be found out is said to be unknown, and why.
        """
        names = dict.fromkeys((tenant.provider.id, *appliances(steps)))
        here = not isinstance(tenant.provider, ProviderHalf)  # otherwise replicas are the other controller's
        chosen = [tenant.vms[name] for name in sorted(frozenset(vms)) if here and name in tenant.vms]
        seen = await _each(names, self._observed)
        power = await _each(
            [one.name for one in chosen], lambda one: self._power(replica_machine(tenant, one))
        )
        holders = {address: name for name, found in seen.items() for address in _held(found)}
        wanted = [str(one) for network in tenant.networks.values() for one in network.gateways]
        wanted += [str(one) for one in tenant.public_addresses]
        addresses = {one: holders.get(one, _elsewhere(seen[tenant.provider.id])) for one in wanted}
        for vm in chosen:
            whose = {"on": f"the replica of {vm.name}", "off": "not the replica"}.get(
                power[vm.name], "unknown"
            )
            addresses |= {str(address): whose for address in vm.addresses}
        return {
            "appliances": {name: _mode(found) for name, found in seen.items()},
            "vms": power,
            "addresses": addresses,
        }

    async def _never(self, appliance: ApplianceId) -> str | None:
        """Why the appliance would not take a document once it is powered on."""
        try:
            command = await self.unenrolled(appliance)
        except ControllerError as error:
            return f"whether {appliance} has enrolled is unknown: {error}"
        return readiness.never(appliance, "at its host", command) if command else None

    async def _silent(self, appliance: ApplianceId) -> str | None:
        """Why the appliance would not take a document now."""
        error: Exception | None = None
        try:
            async with self.turns, asyncio.timeout(self.patience):
                while True:
                    try:
                        await self.agents(appliance).live()
                    except AgentUnreachable as unreachable:
                        error = unreachable
                        await asyncio.sleep(self.pause)
                    else:
                        return None
        except PeerUnreachable as unreachable:
            return (
                f"{unreachable}; ask its staff, and ask for this again when it answers: what is failed over "
                "goes on meanwhile"
            )
        except _UNKNOWN as failure:
            late = f"{appliance} has not answered within {self.patience:.0f} s; `causeway status` says more"
            return str(error or failure) or late

    async def _observed(self, appliance: ApplianceId) -> Observed | str:
        try:
            async with self.turns, asyncio.timeout(self.patience):
                return await self.agents(appliance).observed()
        except _UNKNOWN as error:
            return f"unknown: {str(error) or 'no answer in time'}"

    async def _power(self, machine: MachineRef) -> str:
        try:
            async with self.turns, asyncio.timeout(self.patience):
                found = await self.hypervisors(machine).find(machine.owner_id)
        except _UNKNOWN as error:
            return f"unknown: {str(error) or 'no answer in time'}"
        if found is None:
            return "missing"
        return "on" if found.powered_on else "off"


def _first(steps: Sequence[Step]) -> dict[MachineRef, Step]:
    """The first step that powers each machine: an appliance may be powered on, told, and powered off."""
    powers: dict[MachineRef, Step] = {}
    for step in steps:
        if isinstance(step.action, Power):
            powers.setdefault(step.action.machine, step)
    return powers


def _stay_on(steps: Sequence[Step]) -> frozenset[MachineRef]:
    """Machines that are to be on and are not powered off: their hosts have nothing to do when they are."""
    powers = [step.action for step in steps if isinstance(step.action, Power)]
    off = frozenset(one.machine for one in powers if not one.on)
    return frozenset(one.machine for one in powers) - off


def _booting(powers: Mapping[MachineRef, Step], power: Mapping[MachineRef, str]) -> frozenset[ApplianceId]:
    """Appliances that do not answer yet because the steps power them on."""
    return frozenset(
        machine.appliance
        for machine, step in powers.items()
        if machine.appliance is not None and power[machine] == "off" and _on(step)
    )


def _on(step: Step) -> bool:
    return isinstance(step.action, Power) and step.action.on


def _is_foreign(step: Step, power: str, own: Collection[VmName]) -> bool:
    """Whether the step would power a replica on that somebody else has powered on."""
    return (
        _on(step) and power == "on" and isinstance(step.action, Power) and step.action.machine.name not in own
    )


def _running(machine: MachineRef) -> str:
    return (
        f"the replica of {machine.name} runs already, and no run of {machine.tenant} has powered it on: what "
        f"it did since nobody knows, and it has the addresses of production; power {machine.owner_id} off at "
        f"its host, or leave it out (`--but {machine.name}`, of a full failover or rehearsal), then ask again"
    )


def _mute(machine: MachineRef, why: str) -> str:
    """Why an appliance that its host says is on does not answer, and what to do."""
    return (
        f"{why}; its host says that it is on: wait if it has just started, else power it off at its host and "
        f"ask again, which powers it on, or put another one in its place: "
        f"`causeway appliance redeploy {machine.tenant} HOST`"
    )


def _missing(machine: MachineRef, power: str) -> str | None:
    match power:
        case "on" | "off":
            return None
        case "missing":
            return str(MachineMissing(machine.owner_id))
        case _:
            return f"{machine.owner_id} is {power}"


def _required(steps: Sequence[Step]) -> tuple[ApplianceId, ...]:
    """Appliances that steps act on whose failure stops the run."""
    return appliances(step for step in steps if step.required and not isinstance(step.action, Power))


def _mode(found: Observed | str) -> str:
    return found if isinstance(found, str) else found.failover


def _held(found: Observed | str) -> tuple[str, ...]:
    if isinstance(found, str):
        return ()
    return tuple(text.partition("/")[0] for nic in found.nics for text in nic.addresses)


def _elsewhere(found: Observed | str) -> str:
    return "unknown" if isinstance(found, str) else "nobody at the provider"


async def _each(asked: Iterable[Asked], ask: Callable[[Asked], Awaitable[Found]]) -> dict[Asked, Found]:
    """What each of them is told, some at once."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(each: Asked) -> Found:
        async with room:
            return await ask(each)

    names = tuple(asked)
    return dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))
