"""A tenant's site that is back: some of what the provider failed over as a whole stays there, led from here.

The replicas of the others shut down slowly, and what releases replication is slow too: both take longer than
the tenant's appliance waits for a confirmation.
"""

from __future__ import annotations

import asyncio
import functools
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, Final

from causeway_controller.contract.tenant import Hook, Hooks
from causeway_controller.errors import HookFailed
from causeway_controller.failover import documents
from causeway_controller.failover.steps import Call
from causeway_controller.inventory import tenancy
from causeway_controller.inventory.modes import Full
from causeway_controller.inventory.tenancy import Site
from causeway_controller.store.counters import Epochs, StoredGenerations
from causeway_controller.store.tenancies import Standing, Standings
from tests import sites
from tests.simulation.controller import HOST
from tests.simulation.linked import LinkedWorld
from tests.simulation.loop import VirtualLoop
from tests.simulation.network import client
from tests.simulation.world import BOOT_SECONDS, PROVIDER, TENANT

VMS: Final = 12
"""Eleven of them are powered off, five at a time."""
SLOW: Final = 20.0
"""Seconds to shut down; the longest are not waited for (`controller.TIMING`)."""
HOOK_SECONDS: Final = 90.0
FAILING: Final = 0.1
"""Share of a hook's calls that fail."""


@functools.cache
def back_site() -> Site:
    """A site with a hook that releases replication."""
    made = sites.site(networks=1, vms_per_network=VMS, gateways=1, ipv6=False)
    tenant = made.tenants[TENANT]
    uplink = replace(tenant.server.uplink, gateways=(ip_address("198.51.100.1"),))
    hooks = Hooks(release=Hook(name="release"))
    hooked = replace(tenant, provider=replace(tenant.server, uplink=uplink), hooks=hooks)
    return replace(made, tenants={TENANT: hooked})


class SlowHooks:
    """`workflows.ports.Hooks` that take their time, and fail now and then."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def known(self, hook: str) -> bool:
        return True

    async def call(self, call: Call, run: str) -> None:
        await asyncio.sleep(self._loop.random.uniform(0.0, HOOK_SECONDS))
        if self._loop.random.random() < FAILING:
            raise HookFailed(call.hook, f"it failed for {run}")


class BackWorld(LinkedWorld):
    """As `LinkedWorld`; it begins in full failover of all VMs, whose originals are off."""

    hurried = True

    def __init__(self, loop: VirtualLoop, *told: Any, **more: Any) -> None:
        super().__init__(loop, *told, **more)
        self.their_around = replace(self.their_around, hooks=SlowHooks(loop))
        self._door = replace(self._door, around=self.their_around)

    async def begin(self) -> None:
        """Have everything failed over, as runs would have left it: what they do is no part of the history."""
        mode, database = Full(frozenset(self.tenant.vms)), self.their_around.shared.database
        self.originals.on.clear()
        lossy, refuses = self.network.conditions.loss, self.machines.refuses
        self.network.conditions.loss, self.machines.refuses = 0.0, 0.0
        if not self.provider.on:
            await self.machines.power(PROVIDER, on=True, grace=0.0)
            await asyncio.sleep(BOOT_SECONDS)
        wanted = documents.document(
            tenancy.with_mode(self.their_around.site, TENANT, mode),
            PROVIDER,
            generation=await StoredGenerations(database).next(PROVIDER),
            epoch=Epochs(database).take(TENANT, HOST),
        )
        await client(self.network, sender="keeper", appliance=PROVIDER).apply(wanted, timeout=60.0)
        for vm in sorted(mode.vms):
            await self.machines.power(f"{TENANT}/{vm}", on=True, grace=0.0)
        Standings(database).put(TENANT, HOST, Standing(mode=mode))
        self.network.conditions.loss, self.machines.refuses = lossy, refuses
        self.machines.slow = SLOW

    def wishes(self, drawn: tuple[str, ...]) -> tuple[str, ...]:
        """Some are kept; half of the time they are given back then."""
        return ("keep", "undo") if "undo" in drawn else ("keep",)

    def is_full(self) -> bool:
        return isinstance(Standings(self.their_around.shared.database).get(TENANT, HOST).mode, Full)
