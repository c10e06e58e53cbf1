"""What is done to an appliance on request, from its deployment to its end. Each act may be repeated.

An act that fails or whose controller dies leaves what it did; the same act, asked for again, goes on. What is
deployed is forgotten last, so that nothing is left behind that nobody knows of.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from causeway_controller.hypervisors.base import Provider
from causeway_controller.inventory import appliances, book, health
from causeway_controller.inventory.health import Deployed
from causeway_controller.inventory.modes import Idle
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.ledger import Ledger
from causeway_controller.store.runs import Runs
from causeway_controller.store.tenancies import Standings
from causeway_controller.store.tunnels import end_names
from causeway_controller.workflows.ports import Tenancies
from causeway_controller.workflows.provisioning import Under
from causeway_controller.workflows.renewal import Renewal
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import ApplianceId, Name, NetworkId, SerialNumber, TenantId

_GRACE_SECONDS: Final = 20.0
"""For an orderly shutdown before power is cut."""


class Deployment(Protocol):
    """Has appliances there; `provisioning.Provisioning` does."""

    async def check(
        self, tenant: TenantId, host: Name, *, under: Under | None = None, in_place: bool = False
    ) -> None: ...

    async def ensure(
        self,
        tenant: TenantId,
        host: Name,
        *,
        under: Under | None = None,
        overrule: bool = False,
        in_place: bool = False,
    ) -> ApplianceId: ...

    async def conform(self, tenant: TenantId, host: Name) -> None: ...


class Ends(Protocol):
    """What a tenant's controller knows of its ends of tunnels; `store.told.Told` does."""

    def discard(self, appliance: ApplianceId, network: NetworkId) -> None: ...


class Life:
    """The appliances of one provider. One act at a time for each, within this controller."""

    def __init__(
        self,
        *,
        provisioning: Deployment,
        renewal: Renewal,
        appliances: Appliances,
        ledger: Ledger,
        runs: Runs,
        inventories: Inventories,
        tenancies: Tenancies,
        standings: Standings,
        hosts: Callable[[TenantId, Name], Awaitable[Provider]],
        forget: Callable[[ApplianceId], Awaitable[None]],
        forget_token: Callable[[ApplianceId], Awaitable[None]],
        refresh: Callable[[], Awaitable[None]],
        ends: Ends,
    ) -> None:
        """`forget`: speak to the machine of this name no more; `refresh`: read anew what is revoked."""
        self._provisioning = provisioning
        self._renewal = renewal
        self._appliances = appliances
        self._ledger = ledger
        self._runs = runs
        self._inventories = inventories
        self._tenancies = tenancies
        self._standings = standings
        self._hosts = hosts
        self._forget = forget
        self._forget_token = forget_token
        self._refresh = refresh
        self._ends = ends
        self._acting: defaultdict[tuple[TenantId, Name], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def ensure(self, tenant: TenantId, host: Name, *, overrule: bool) -> ApplianceId:
        """As `Provisioning.ensure`."""
        async with self._acting[tenant, host]:
            return await self._provisioning.ensure(tenant, host, overrule=overrule)

    async def conform(self, tenant: TenantId, host: Name) -> None:
        """As `Provisioning.conform`, of an appliance that was not retired meanwhile.

        Raises ProblemError (`not-found`) for one that was.
        """
        async with self._acting[tenant, host]:
            await self._deployed(tenant, host)
            await self._provisioning.conform(tenant, host)

    async def check(
        self, tenant: TenantId, host: Name, *, under: Under | None, in_place: bool = False
    ) -> None:
        """Raise what `bring` raises before it touches anything; `in_place` as of `Provisioning.check`."""
        await self._provisioning.check(tenant, host, under=under, in_place=in_place)

    async def bring(self, tenant: TenantId, host: Name, *, under: Under) -> ApplianceId:
        """As `ensure`, as a part of a run, which may have removed its machine and must not stop there."""
        async with self._acting[tenant, host]:
            return await self._provisioning.ensure(tenant, host, under=under, in_place=True)

    async def clear(
        self, one: Deployed, *, actor: str, reason: str, revoke: bool, unless: Callable[[], Awaitable[bool]]
    ) -> bool:
        """Delete the appliance's machine, which stays one that is to be there; with `revoke` the certificates
        whose keys were on it are refused from now on, to controllers and in tunnels.

        `unless` is asked last, when nobody here acts on it any more; whether it was deleted. Raises
        HypervisorError, ProblemError (`not-found` without the host), StoreError.
        """
        async with self._acting[one.tenant, one.host]:
            provider = await self._hosts(one.tenant, one.host)
            if await unless():
                return False
            await provider.destroy(one.id)
            await self._forgotten(one, revoke=revoke, actor=actor, reason=reason)
            return True

    async def rotate(self, tenant: TenantId, host: Name, *, revoke: bool, actor: str) -> ApplianceId:
        """Give the appliance a new key and certificate; with `revoke` those before are refused from now on.

        Raises ProblemError (`not-found` when it is not deployed), AgentUnreachable, RequestRefused,
        StoreError.
        """
        async with self._acting[tenant, host]:
            one = await self._deployed(tenant, host)
            before = await asyncio.to_thread(self._ledger.alive_of_agent, one.id)
            await self._renewal.rotate(one)
            if revoke:
                await self._revoke(before, actor=actor, reason="rotated")
            return one.id

    async def remove(self, tenant: TenantId, host: Name, *, run: str, in_charge: Callable[[], None]) -> None:
        """Power the appliance off and delete its machine; `in_charge` is called immediately before each.

        Raises what `refuse_in_use` raises, with nothing touched; HypervisorError, ProblemError (`not-found`
        without the host or the appliance), StoreError.
        """
        async with self._acting[tenant, host]:
            one = await self._deployed(tenant, host)
            provider = await self._hosts(tenant, host)
            there = await provider.find(one.id)
            await self.refuse_in_use(one, but=run)  # to ask a host takes minutes
            if there is not None:
                in_charge()
                await provider.power(one.id, on=False, grace=_GRACE_SECONDS)
            in_charge()
            await provider.destroy(one.id)

    async def forget(self, tenant: TenantId, host: Name, *, actor: str) -> None:
        """Revoke the certificates of the appliance, those of its ends of tunnels among them, and forget it;
        nothing where that was done. Raises StoreError.
        """
        async with self._acting[tenant, host]:
            one = await asyncio.to_thread(self._appliances.find, tenant, host)
            if one is None:
                return
            await self._forgotten(one, revoke=True, actor=actor, reason="retired")
            await asyncio.to_thread(self._appliances.forget, one.id)

    async def deployed(self, tenant: TenantId, host: Name) -> Deployed:
        """The appliance. Raises ProblemError (`not-found`), StoreError."""
        return await self._deployed(tenant, host)

    async def check_host(self, tenant: TenantId, host: Name) -> None:
        """Raise what `remove` raises before it asks the host: ProblemError (`not-found`) where the inventory
        does not say which one that is, HypervisorError without a login for it, and StoreError.
        """
        await self._hosts(tenant, host)

    async def refuse_in_use(self, one: Deployed, *, but: str) -> None:
        """Raise ProblemError (`failover-in-progress`) while it serves a failover or another run than `but` is
        open for it, and StoreError.
        """
        await asyncio.to_thread(self._runs.refuse_open, one.tenant, one.host, but=but)
        try:
            await self._tenancies.load(one.tenant, one.host)
        except ProblemError as error:
            if error.problem.type == ProblemType.NOT_FOUND.urn:
                return  # the inventory needs it no longer
            if error.problem.type != ProblemType.UNSUPPORTED.urn:
                raise
            # A gateway without a pool, or a site whose provider was left: no document could be written.
        mode = (await asyncio.to_thread(self._standings.get, one.tenant, one.host)).mode
        if not isinstance(mode, Idle):
            detail = f"appliance {one.id} serves a failover ({mode.name}): end that first, then retire it"
            raise ProblemError(problem(ProblemType.FAILOVER_IN_PROGRESS, detail))

    async def _deployed(self, tenant: TenantId, host: Name) -> Deployed:
        found = await asyncio.to_thread(self._appliances.find, tenant, host)
        if found is None:
            raise ProblemError(problem(ProblemType.NOT_FOUND, health.not_deployed(tenant, host)))
        return found

    async def _forgotten(self, one: Deployed, *, revoke: bool, actor: str, reason: str) -> None:
        """Nothing that the old machine holds opens anything any more."""
        if revoke:
            before = await asyncio.to_thread(self._borne, one)
            await self._revoke(before, actor=actor, reason=reason)
            # The provider signed for its end of a tunnel, and is told when the next key is certified.
            await asyncio.to_thread(self._ends.discard, one.id, one.host)
        await self._forget_token(one.id)
        await self._forget(one.id)
        await asyncio.to_thread(self._appliances.trusts, one.id, "")

    def _borne(self, one: Deployed) -> tuple[SerialNumber, ...]:
        """Certificates of all keys that are on its disk."""
        names = book.index(self._inventories.of_tenant(one.tenant).inventory)
        others = appliances.networks_elsewhere(names, one.tenant, one.host)
        ends = (end_names(one.tenant, network) for network in others)
        return self._ledger.alive_on(one.id, tenant=one.tenant, elsewhere={server for _, server in ends})

    async def _revoke(self, serials: tuple[str, ...], *, actor: str, reason: str) -> None:
        for serial in serials:
            await asyncio.to_thread(self._ledger.revoke, serial, actor=actor, reason=reason)
        await self._refresh()
