"""A dead appliance or gateway brought back: started anew, and when that does not help, replaced.

A run of three units, so that it is kept, told, stopped and carried on like every other one, and so that no
failover of the same tenant goes on beside it. What is there already is found out each time: whoever carries
it on begins a unit again, and a machine that answers meanwhile is left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from causeway_controller.contract import requests
from causeway_controller.contract.requests import Rebuild, RebuildGateway
from causeway_controller.errors import AgentUnreachable, EnrolmentRefused, MachineMissing, UnexpectedAnswer
from causeway_controller.fleet.client import AgentClient
from causeway_controller.hypervisors.base import HypervisorError, Provider
from causeway_controller.inventory.health import Deployed
from causeway_controller.inventory.tenancy import ManagementAccess
from causeway_controller.store.runs import Run
from causeway_controller.workflows import redeploying
from causeway_controller.workflows.chores import Done, Unit
from causeway_controller.workflows.provisioning import Under
from causeway_controller.workflows.redeploying import DEPLOY, REMOVE, Bringing
from causeway_controller.workflows.run_record import Record
from causeway_controller.workflows.watch import access
from causeway_wire.types import ApplianceId, Name, TenantId

START: Final = "start"
_GRACE_SECONDS: Final = 20.0
"""For an orderly shutdown before power is cut."""
_ANSWER_SECONDS: Final = 10.0
_DEAD: Final = (
    HypervisorError,
    MachineMissing,
    AgentUnreachable,
    EnrolmentRefused,
    UnexpectedAnswer,
    TimeoutError,
)
"""What says that a machine is beyond help. One that answers and cannot obey is not: that ends the run."""


class Rebuilding:
    """`chores.Kind` of `requests.Rebuild`, and of `RebuildGateway`."""

    def __init__(
        self,
        *,
        life: Bringing,
        hosts: Callable[[TenantId, Name], Awaitable[Provider]],
        clients: Callable[[ApplianceId, ManagementAccess], Awaitable[AgentClient]],
        in_charge: Callable[[], None],
    ) -> None:
        """`in_charge` is called immediately before each effect at a host, which has no other fence."""
        self._life = life
        self._hosts = hosts
        self._clients = clients
        self._in_charge = in_charge

    async def plan(self, asked: Run) -> Sequence[Unit]:
        """As `Kind.plan`; raises ProblemError when it cannot be deployed there (any more)."""
        under = Under(run=asked.id, epoch=0)
        await self._life.check(asked.tenant, asked.host, under=under)
        one = await self._life.deployed(asked.tenant, asked.host)
        cause = requests.read_chore(asked.request.encode())
        why = f" ({cause.cause})" if isinstance(cause, Rebuild | RebuildGateway) else ""
        return (
            Unit(name=START, sentence=f"Start {redeploying.kind(one)} {one.id} anew{why}"),
            Unit(name=REMOVE, sentence=f"Remove the machine of {one.id}, revoke its certificates"),
            Unit(
                name=DEPLOY, sentence=f"Deploy {one.id} again: same addresses, new certificates, its document"
            ),
        )

    async def perform(self, record: Record, unit: Unit) -> Done:
        """As `Kind.perform`."""
        one = await self._life.deployed(record.asked.tenant, record.asked.host)
        match unit.name:
            case "start":
                return await self._start(record, one)
            case "remove":
                return await self._remove(record, one)
            case _:
                await self._bring(record, one)
                return Done()

    async def _start(self, record: Record, one: Deployed) -> Done:
        provider = await self._hosts(one.tenant, one.host)
        machine = await provider.find(one.id)
        if machine is None:
            return Done(detail="its host has no such machine")
        if await self._answers(one):
            await self._bring(record, one)
            return Done(detail="it answers again", enough=True)
        try:
            if machine.powered_on:
                self._in_charge()
                await provider.power(one.id, on=False, grace=_GRACE_SECONDS)
            await self._bring(record, one)
        except _DEAD as error:
            return Done(detail=f"it does not come back: {error}")
        return Done(detail="it was started anew and answers", enough=True)

    async def _remove(self, record: Record, one: Deployed) -> Done:
        """Somebody may have started or deployed it meanwhile, and waited for longer than we did. While its
        host could make no other one, it stays: what starts later may answer again.
        """
        await self._life.check(one.tenant, one.host, under=redeploying.under(record), in_place=True)

        async def answers() -> bool:
            found = await self._answers(one)
            self._in_charge()
            return found

        if await self._life.clear(
            one, actor=record.asked.actor, reason="rebuilt", revoke=True, unless=answers
        ):
            return Done()
        await self._bring(record, one)
        return Done(detail="it answers again", enough=True)

    async def _answers(self, one: Deployed) -> bool:
        agent = await self._clients(one.id, access(one))
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await agent.observed()
        except (AgentUnreachable, UnexpectedAnswer, TimeoutError):
            return False
        return True

    async def _bring(self, record: Record, one: Deployed) -> None:
        """Deployed, started, enrolled and configured, under the run's epoch."""
        self._in_charge()
        await redeploying.bring(self._life, record, one)
