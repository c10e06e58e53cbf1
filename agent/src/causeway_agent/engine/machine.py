"""The machine through its ports: gather facts, observe, perform one operation."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from causeway_agent.engine import ports
from causeway_agent.engine.lockdown import Lockdown
from causeway_agent.errors import BackendError
from causeway_agent.plan.model.policy import Policy
from causeway_agent.plan.model.target import Facts, Observation, Target
from causeway_agent.plan.steer import closed, describe
from causeway_agent.plan.steer.operations import (
    Announce,
    Drop,
    LoadPolicy,
    Operation,
    Put,
    Start,
    Stop,
    aside,
    together,
)

OPERATION_SECONDS = 40.0
"""Longest time one operation may take; starting a VPN server that must listen is the slowest. This, and what
is within it, bounds what hangs: on an emulated processor, or a crowded one, a second's work takes twenty.
"""
OBSERVE_SECONDS = 30.0
AT_ONCE = 8
"""Operations that run at the same time: a process that starts or ends is mostly waited for."""

Report = Callable[[int, BackendError | None, float], None]
"""Called after each operation: its place in the plan, why it was refused, milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """All ports that touch the outside, and the facts that never change while the agent runs."""

    kernel: ports.Kernel
    firewall: ports.Firewall
    publications: ports.Publications
    processes: ports.Processes
    neighbours: ports.Neighbours
    connections: ports.Connections
    loads: ports.TunnelLoads
    clock: ports.Clock
    dead_man: ports.DeadMan
    slots: ports.Slots
    constants: Facts
    """`devices`, `active`, `paths` and `declined` are filled in by `facts`."""
    lockdown: Lockdown = field(default_factory=Lockdown)

    async def facts(self) -> Facts:
        """The facts of this moment."""
        async with asyncio.timeout(OBSERVE_SECONDS):
            devices = await self.kernel.devices()
        return dataclasses.replace(
            self.constants,
            devices=devices,
            active=dict(self.processes.active()),
            paths=dict(self.processes.paths()),
            declined=dict(self.processes.declined()),
        )

    async def observe(self, *targets: Target) -> Observation:
        """Everything of ours, on the devices and with the sysctls that any of these targets names."""
        devices = frozenset[str]().union(*(target.devices for target in targets))
        sysctls = {sysctl for target in targets for sysctl in target.sysctls}
        async with asyncio.timeout(OBSERVE_SECONDS):
            seen = await self.kernel.observe(devices, sysctls)
            policy = await self.firewall.loaded()
            foreign = seen.foreign | await self.firewall.foreign()
        running = self.processes.running()
        return dataclasses.replace(seen, policy=policy, processes=running, foreign=foreign)

    async def perform(self, operation: Operation) -> None:
        """Carry out one operation; raises BackendError when it is refused or takes too long."""
        try:
            async with asyncio.timeout(OPERATION_SECONDS):
                await self._permitted(operation)
        except TimeoutError as error:
            reason = f"not done within {OPERATION_SECONDS:g} s"
            raise BackendError(describe.describe(operation), reason) from error

    async def carry_out(
        self, operations: Iterable[Operation], *, keep_going: bool, report: Report = lambda *_: None
    ) -> tuple[BackendError, ...]:
        """Carry out operations in order; the refusals. With `keep_going` a refusal stops nothing: one broken
        tunnel must not hold up the others. What need not wait for each other (`operations.together`) is done
        at the same time, `AT_ONCE` at most, and all of it though one of them is refused; what nothing waits
        for (`operations.aside`) goes on until the end.
        """
        errors: list[BackendError] = []
        places = asyncio.Semaphore(AT_ONCE)

        async def one(index: int, operation: Operation) -> None:
            async with places:
                started, error = self.clock.monotonic(), None
                try:
                    await self.perform(operation)
                except BackendError as caught:
                    error = caught
                    errors.append(caught)
                report(index, error, 1000 * (self.clock.monotonic() - started))

        async with asyncio.TaskGroup() as whole:
            for kind, group in itertools.groupby(enumerate(operations), lambda each: together(each[1])):
                if kind is None:
                    for index, operation in group:
                        await one(index, operation)
                        if errors and not keep_going:
                            break
                else:
                    async with asyncio.TaskGroup() as tasks:
                        for index, operation in group:
                            (whole if aside(operation) else tasks).create_task(one(index, operation))
                if errors and not keep_going:
                    break
        return tuple(errors)

    async def filter_stands(self) -> bool:
        """Whether the packet filter is what was loaded last; what cannot be asked does not stand."""
        try:
            return await self.firewall.loaded() is not None
        except BackendError:
            return False

    async def hold(self, *targets: Target) -> tuple[BackendError, ...]:
        """Throw the switches that close without the packet filter; what refused."""
        async with self.lockdown.switch:
            return await self.carry_out(closed.holding(*targets), keep_going=True)

    async def _permitted(self, operation: Operation) -> None:
        """Nothing opens while the packet filter is not relied on."""
        if not closed.opens(operation):
            await self._perform(operation)
            return
        async with self.lockdown.switch:
            if self.lockdown.active:
                raise BackendError(describe.describe(operation), self.lockdown.problem().detail)
            await self._perform(operation)

    async def _load(self, policy: Policy) -> None:
        try:
            await self.firewall.load(policy)
        except BackendError as error:
            # Refused, nothing changes; but there may have been nothing.
            if not await self.filter_stands():
                self.lockdown.begin(self.clock.monotonic(), f"no packet filter: {error}")
            raise

    async def _perform(self, operation: Operation) -> None:
        match operation:
            case Put(item):
                await self.kernel.put(item)
            case Drop(item):
                await self.kernel.drop(item)
            case LoadPolicy(policy):
                await self._load(policy)
            case Start(process):
                await self.processes.start(process)
            case Stop(process):
                await self.processes.stop(process)
            case Announce(claim):
                await self.neighbours.announce(claim)
