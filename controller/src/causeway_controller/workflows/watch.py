"""Asks every deployed appliance how it is, again and again, and keeps what it saw.

Cheap while nothing changes: one request over a connection that is open already. Only when an appliance says
something else than before, or the inventory is another one, the document that it should run is compiled
and compared with the one that it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from causeway_controller.errors import AgentUnreachable, ControllerError, UnexpectedAnswer, WrongPeer
from causeway_controller.failover import tunnel_ends
from causeway_controller.fleet.client import AgentClient
from causeway_controller.inventory import health, tenancy
from causeway_controller.inventory.allocation import UPLINK
from causeway_controller.inventory.health import Answer, Deployed, Power, Sight, Silence
from causeway_controller.inventory.tenancy import ManagementAccess
from causeway_controller.store.appliances import Appliances
from causeway_controller.workflows.conforming import conforms
from causeway_controller.workflows.ports import Tenancies
from causeway_wire.observed import ApplianceState, Observed
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.types import ApplianceId, Name, TenantId

AT_ONCE: Final = 64
"""Appliances that are asked at the same time."""
_FIRST_A_SECOND: Final = 100
"""Appliances that are asked within the first second, so that a fleet is not met all at once."""
_ANSWER_SECONDS: Final = 10.0
_POWER_SECONDS: Final = 10.0
_ROLL_SHARE: Final = 0.25
"""Of the interval: how often is looked which appliances are deployed."""
_JITTER: Final = 0.25
"""Of the interval: an appliance's turn comes so much earlier or later."""
_RUNS_AGAIN: Final = 20
"""Looks after which the document is compared although nothing changed."""


class Intentions(Protocol):
    """What appliances should be."""

    def mark(self) -> str:
        """Return a text that is another one when documents may be others. Raises StoreError."""

    def changing(self, tenant: TenantId, host: Name) -> bool:
        """Whether a run changes the tenant's appliance on the host now. Raises StoreError."""


@dataclass(slots=True)
class _Compared:
    """What an appliance was when its document was compared last, and what came of it."""

    key: tuple[object, ...]
    intended: str | None
    current: bool
    looks: int = 0


@dataclass(slots=True)
class _Met:
    """The agent's version, since it started."""

    started: datetime | None
    version: str


class Watch:
    """One controller's; nothing is lost when another one begins anew."""

    def __init__(
        self,
        *,
        appliances: Appliances,
        intentions: Intentions,
        tenancies: Tenancies,
        clients: Callable[[ApplianceId, ManagementAccess], Awaitable[AgentClient]],
        power: Callable[[Deployed], Awaitable[Power]],
        now: Callable[[], datetime],
        clock: Callable[[], float],
        random: Callable[[], float],
        interval: float,
    ) -> None:
        """`interval`: seconds between two looks at an appliance; `random` gives 0 to 1; `clock` seconds that
        only grow.
        """
        self._appliances = appliances
        self._intentions = intentions
        self._tenancies = tenancies
        self._clients = clients
        self._power = power
        self._now = now
        self._clock = clock
        self._random = random
        self._interval = interval
        self._asking = asyncio.Semaphore(AT_ONCE)
        self.rest()

    def rest(self) -> None:
        """Forget everything: another controller looks, or begins to."""
        self.roll: dict[ApplianceId, Deployed] = {}
        """The deployed appliances, as they were seen last."""
        self._roll_due = float("-inf")
        self._due: dict[ApplianceId, float] = {}
        self._compared: dict[ApplianceId, _Compared] = {}
        self._met: dict[ApplianceId, _Met] = {}

    def hasten(self) -> None:
        """Ask everybody soon, those first that serve a failover: what appliances should be has changed.

        Nobody is asked later than before, however often it is called.
        """
        for place, one in enumerate(sorted(self.roll.values(), key=health.rank)):
            soon = self._clock() + place / _FIRST_A_SECOND
            self._due[one.id] = min(soon, self._due.get(one.id, soon))

    async def look(self) -> tuple[Deployed, ...]:
        """Ask those whose turn it is, keep and return what they are now. Raises StoreError."""
        if self._clock() >= self._roll_due:
            await self._call_the_roll()
        due = [self.roll[name] for name, at in self._due.items() if at <= self._clock()]
        if not due:
            return ()
        mark = await asyncio.to_thread(self._intentions.mark)
        seen = await asyncio.gather(*(self._in_turn(one, mark) for one in due))
        await asyncio.to_thread(self._appliances.saw, seen)
        self.roll.update((one.id, one) for one in seen)
        return tuple(seen)

    async def _call_the_roll(self) -> None:
        there = await asyncio.to_thread(self._appliances.all)
        before = self.roll
        changed = [one.id for one in there if one.id in before and one.entered != before[one.id].entered]
        self.roll = {one.id: one for one in there}
        self._roll_due = self._clock() + self._interval * _ROLL_SHARE
        new = [one.id for one in there if one.id not in self._due]
        spread = min(self._interval, len(new) / _FIRST_A_SECOND)
        self._due = {name: at for name, at in self._due.items() if name in self.roll}
        self._due |= {name: self._clock() + spread * self._random() for name in new}
        # What is known of these is from before, and what a look found that went on meanwhile was not kept.
        self._due |= dict.fromkeys(changed, self._clock())

    async def _in_turn(self, one: Deployed, mark: str) -> Deployed:
        async with self._asking:
            jitter = 1 + _JITTER * (2 * self._random() - 1)
            self._due[one.id] = self._clock() + self._interval * jitter
            return health.judged(one, await self.sight(one, mark))

    async def sight(self, one: Deployed, mark: str) -> Sight:
        """Look at one appliance. Raises StoreError."""
        agent = await self._clients(one.id, access(one))
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                said = await agent.observed()
                answer = _answer(said, await self._version(one, agent, said))
                intended, current = await self._conforms(one, agent, answer, mark)
        except WrongPeer as error:
            return Sight(at=self._now(), what=Silence(reason=error.reason, refused=True))
        except (AgentUnreachable, UnexpectedAnswer, ProblemError, TimeoutError) as error:
            reason = (
                error.reason if isinstance(error, AgentUnreachable) else str(error) or "no answer in time"
            )
            what = Silence(reason=reason, power=await powered(self._power, one))
            return Sight(at=self._now(), what=what, shown=agent.shown, intended=await self._mode(one))
        return Sight(at=self._now(), what=answer, shown=agent.shown, intended=intended, current=current)

    async def _version(self, one: Deployed, agent: AgentClient, said: Observed) -> str:
        met = self._met.get(one.id)
        if met is None or met.started != said.started:
            met = self._met[one.id] = _Met(said.started, (await agent.versions()).agent)
        return met.version

    async def _conforms(
        self, one: Deployed, agent: AgentClient, said: Answer, mark: str
    ) -> tuple[str | None, bool]:
        """The mode that it should be in, and whether it runs the document that it should."""
        key = (mark, said.mode, said.generation, said.epoch)
        known = self._compared.get(one.id)
        if known is not None and known.key == key and known.current and known.looks < _RUNS_AGAIN:
            known.looks += 1
            return known.intended, known.current
        self._compared.pop(one.id, None)
        if await self._changing(one):
            return None, True
        try:
            intended, current = await self._compare(one, agent, said)
        except tunnel_ends.EndRevoked:
            return None, False
        except ProblemError as error:
            if error.problem.type != ProblemType.NOT_FOUND.urn:
                raise
            return None, True  # the inventory needs it no longer
        if await self._changing(one):
            return None, True
        self._compared[one.id] = _Compared(key, intended, current)
        return intended, current

    async def _compare(self, one: Deployed, agent: AgentClient, said: Answer) -> tuple[str, bool]:
        site = await self._tenancies.load(one.tenant, one.host)
        intended = tenancy.mode(site, one.tenant).name
        if said.generation is None:
            return intended, False
        current = await conforms(agent, site, one.id, epoch=said.epoch, generation=said.generation)
        return intended, current

    async def _changing(self, one: Deployed) -> bool:
        return await asyncio.to_thread(self._intentions.changing, one.tenant, one.host)

    async def _mode(self, one: Deployed) -> str | None:
        """What it should be, as far as that can be said without it."""
        try:
            return tenancy.mode(await self._tenancies.load(one.tenant, one.host), one.tenant).name
        except ProblemError:
            return None


async def powered(ask: Callable[[Deployed], Awaitable[Power]], one: Deployed) -> Power:
    """Return what its host says of its machine; unknown where it says nothing in time."""
    try:
        async with asyncio.timeout(_POWER_SECONDS):
            return await ask(one)
    except (ControllerError, ProblemError, TimeoutError):
        return Power.UNKNOWN


def access(one: Deployed) -> ManagementAccess:
    """Where the appliance is managed."""
    return ManagementAccess(nic=UPLINK, address=one.address, sources=(), port=one.port)


def _answer(said: Observed, version: str) -> Answer:
    return Answer(
        agent=version,
        mode=said.failover,
        generation=said.observed_generation,
        epoch=said.epoch,
        wrong="; ".join(_wrong(said)) if said.state is ApplianceState.DEGRADED else "",
    )


def _wrong(said: Observed) -> Iterable[str]:
    tunnels = [f"tunnel {one.id}: {one.impairment}" for one in said.tunnels if one.impairment]
    problems = [] if said.problem is None else [one.detail for one in said.problem.each]
    yield from dict.fromkeys((*problems, *tunnels))  # an agent names its tunnels among its problems
    if not (problems or tunnels):
        yield "it is degraded and does not say why; look at its log"
