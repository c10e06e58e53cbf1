"""Carries out single actions of a failover: through hypervisors, and through the agents' clients.

Every effect may be repeated. What a run remembers between its steps is what awaits confirmation and when
machines were powered on.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from causeway_controller.contract.requests import Request
from causeway_controller.errors import (
    AgentUnreachable,
    ControllerError,
    MachineMissing,
    ModeMissing,
    NotReady,
    Superseded,
    TunnelDown,
)
from causeway_controller.failover import documents
from causeway_controller.failover.steps import (
    Action,
    Apply,
    Confirm,
    Pause,
    Power,
    PutRules,
    Ready,
    VerifyMode,
    VerifyTunnel,
)
from causeway_controller.inventory import tenancy
from causeway_controller.store.generations import GenerationBook
from causeway_controller.workflows import readiness
from causeway_controller.workflows.ports import Agents, Answers, Hypervisors
from causeway_wire.change import ChangeState
from causeway_wire.observed import ApplianceState, Observed, TunnelState
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.public_rules import PublicRulesPatch
from causeway_wire.types import ApplianceId, ChangeId, Epoch, Name, TunnelId

_BEHIND = frozenset({ProblemType.STALE_GENERATION.urn, ProblemType.GENERATION_CONFLICT.urn})


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Deadlines, in seconds."""

    power: float = 60.0
    grace: float = 20.0
    """For an orderly shutdown before power is cut."""
    boot: float = 180.0
    """From power to an agent that answers."""
    change: float = 30.0
    courtesy: float = 3.0
    """For an agent that may be dead with its site, and whose answer nothing waits for."""
    confirm: int = 120
    """Until an appliance takes back by itself what nobody confirmed: longer than a start of replicas."""
    tunnel: float = 15.0
    mode: float = 10.0
    """For an appliance to report what it was just told to be."""
    ready: float = 300.0
    """From power to a replica that answers."""
    first_poll: float = 0.02
    longest_poll: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A change that its appliance takes back by itself unless it is confirmed."""

    change: ChangeId
    until: float = 0.0
    """Not before this moment of the monotonic clock; 0 when another controller made the change: then nobody
    here knows, and the wait is extended before anything relies on it.
    """


async def _nobody_newer(_accepted: Epoch) -> Epoch | None:
    return None


@dataclass(slots=True)
class Run:
    """What all steps of a run share."""

    site: tenancy.Site
    epoch: Epoch
    awaiting: dict[ApplianceId, Awaited] = field(default_factory=dict)
    newer: Callable[[Epoch], Awaitable[Epoch | None]] = _nobody_newer
    """Gives an epoch above one that an appliance has accepted, None when another controller has taken over.
    An appliance is ahead of a store that was restored from a backup.
    """

    def adopt(self, awaiting: Mapping[ApplianceId, ChangeId]) -> None:
        """Take over what another controller made, which awaits a confirmation."""
        self.awaiting = {appliance: Awaited(change=change) for appliance, change in awaiting.items()}


class Executor:
    """Carries out actions at one site."""

    def __init__(
        self,
        *,
        agents: Agents,
        hypervisors: Hypervisors,
        generations: GenerationBook,
        answers: Answers,
        timing: Timing,
        in_charge: Callable[[], None] = lambda: None,
    ) -> None:
        """`in_charge` is called immediately before each effect, and does not return when another controller
        may have taken over: a hypervisor, unlike an agent, takes orders from whoever is late.
        """
        self._agents = agents
        self._hypervisors = hypervisors
        self._generations = generations
        self._answers = answers
        self._timing = timing
        self._in_charge = in_charge

    async def can_begin(self, request: Request, site: tenancy.Site, host: Name) -> None:
        """Raise ProblemError when the provider's appliance is missing or has failed; see `readiness`."""
        await readiness.check(request, site, host=host, agents=self._agents, hypervisors=self._hypervisors)

    async def fence(self, run: Run, appliances: Iterable[ApplianceId]) -> tuple[ApplianceId, ...]:
        """Shut other controllers out of these; those that did not answer.

        Raises Superseded when another controller is the newer one. Who does not answer cannot be acted on
        either, and is fenced when it is powered on.
        """
        asked = tuple(appliances)
        while True:
            answers = await asyncio.gather(*(self._fence(run.epoch, one) for one in asked))
            ahead = [answer for answer in answers if not isinstance(answer, bool)]
            if not ahead:
                return tuple(one for one, answer in zip(asked, answers, strict=True) if answer is False)
            await self._outrun(run, max(ahead))

    async def _fence(self, epoch: Epoch, appliance: ApplianceId) -> bool | Epoch:
        """Whether it is done; the epoch that the appliance has accepted when that is a newer one."""
        try:
            async with asyncio.timeout(self._timing.courtesy):
                await self._agents(appliance).fence(epoch)
        except ProblemError as error:
            accepted = error.problem.epoch
            if error.problem.type == ProblemType.STALE_EPOCH.urn and isinstance(accepted, int):
                return accepted
            return False
        except (ControllerError, TimeoutError):
            return False
        return True

    async def _outrun(self, run: Run, accepted: Epoch) -> None:
        """Give the run an epoch above this one; raises Superseded when another controller has the newest."""
        newer = await run.newer(accepted)
        if newer is None:
            raise Superseded(run.epoch, accepted)
        run.epoch = newer

    async def act(self, run: Run, action: Action, *, courtesy: bool = False) -> bool:
        """Carry out one action; whether it changed anything. `courtesy`: nothing waits for its success.

        An appliance that knows a newer epoch is overtaken where the store does not; otherwise raises
        Superseded: another controller acts for the run.
        """
        try:
            return await self._act(run, action, courtesy=courtesy)
        except ProblemError as error:
            await self._overtake(run, error)
        return await self._act(run, action, courtesy=courtesy)

    async def _overtake(self, run: Run, refusal: ProblemError) -> None:
        """Take an epoch above the appliance's; raises the refusal when it is of another kind."""
        accepted = refusal.problem.epoch
        if refusal.problem.type != ProblemType.STALE_EPOCH.urn or not isinstance(accepted, int):
            raise refusal
        await self._outrun(run, accepted)

    async def _act(self, run: Run, action: Action, *, courtesy: bool) -> bool:
        changed = False
        self._in_charge()
        match action:
            case Power():
                changed = await self._power(run, action)
            case Apply():
                await self._apply(run, action, self._timing.courtesy if courtesy else self._timing.change)
                changed = True
            case Confirm():
                changed = await self._confirm(run, action.appliance)
            case PutRules():
                changed = await self._put_rules(run, action)
            case VerifyTunnel():
                await self._verify_tunnel(action)
            case VerifyMode():
                await self._verify_mode(action)
            case Pause():
                await asyncio.sleep(action.seconds)
            case Ready():
                await self._ready(action)
        return changed

    async def take_back(self, run: Run, done: Action, compensation: Action) -> None:
        """Undo what `done` did: cancelled where the appliance still awaits confirmation, else compensated."""
        self._in_charge()
        if isinstance(done, Apply) and (awaited := run.awaiting.pop(done.appliance, None)) is not None:
            try:
                if await self._cancelled(run, done.appliance, awaited.change):
                    return
            except ProblemError as error:
                await self._overtake(run, error)
                if await self._cancelled(run, done.appliance, awaited.change):
                    return
        await self.act(run, compensation)

    async def _cancelled(self, run: Run, appliance: ApplianceId, change: ChangeId) -> bool:
        """Take the change back; False when it does not await its confirmation any more."""
        agent = self._agents(appliance)
        try:
            cancelled = await agent.cancel(change, epoch=run.epoch)
            async with asyncio.timeout(self._timing.change):
                while not cancelled.final:
                    cancelled = await agent.change(change, wait=int(self._timing.change))
        except ProblemError as error:
            if error.problem.type != ProblemType.NOT_AWAITING.urn:
                raise
            return False
        return True

    async def _power(self, run: Run, action: Power) -> bool:
        owner_id = action.machine.owner_id
        provider = self._hypervisors(action.machine)
        async with asyncio.timeout(self._timing.power):
            machine = await provider.find(owner_id)
            if machine is None:
                raise MachineMissing(owner_id)
            if machine.powered_on == action.on:
                return False
            self._in_charge()
            await provider.power(owner_id, on=action.on, grace=self._timing.grace)
        if action.on and action.machine.appliance is not None:
            await self._live(action.machine.appliance)
            await self.fence(run, (action.machine.appliance,))
        return True

    async def _live(self, appliance: ApplianceId) -> None:
        """Wait until a booting appliance's agent answers."""
        agent = self._agents(appliance)
        deadline = time.monotonic() + self._timing.boot
        for pause in self._polls():
            try:
                await agent.live()
            except AgentUnreachable:
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(pause)
            else:
                return

    async def _apply(self, run: Run, action: Apply, patience: float) -> None:
        try:
            await self._send(run, action, patience)
        except ProblemError as error:
            await self._make_way(run, action.appliance, error)
            await self._send(run, action, patience)

    async def _make_way(self, run: Run, appliance: ApplianceId, refusal: ProblemError) -> None:
        """Put right what a second attempt can put right; raises the refusal when there is nothing.

        The epoch fences other workflows off, so a generation behind within our own means a lost book, and a
        change that awaits confirmation was left by a run that died.
        """
        found = refusal.problem
        if found.type in _BEHIND and isinstance(found.generation, int):
            await self._generations.at_least(appliance, found.generation)
        elif found.type == ProblemType.AWAITING_CONFIRMATION.urn and isinstance(found.change, str):
            await self._agents(appliance).cancel(found.change, epoch=run.epoch)
        else:
            raise refusal

    async def _send(self, run: Run, action: Apply, patience: float) -> None:
        site = tenancy.with_mode(run.site, action.tenant, action.mode)
        generation = await self._generations.next(action.appliance)
        document = documents.document(site, action.appliance, generation=generation, epoch=run.epoch)
        if action.within is not None:
            await self._outlast(run, action.within, patience + self._timing.confirm)
        seconds = self._timing.confirm
        if action.holds:
            seconds += math.ceil(self._timing.confirm + patience)
        sent = time.monotonic()
        change = await self._agents(action.appliance).apply(
            document,
            timeout=patience,
            confirm=seconds if action.confirmed else None,
            escalate=action.escalate,
        )
        if change.state is ChangeState.AWAITING:
            run.awaiting[action.appliance] = Awaited(change=change.id, until=sent + seconds)

    async def _outlast(self, run: Run, appliance: ApplianceId, seconds: float) -> None:
        """Have the appliance's change wait longer than another's that is about to be made."""
        awaited = run.awaiting.get(appliance)
        now = time.monotonic()
        if awaited is None or awaited.until - now >= seconds:
            return
        longer = math.ceil(seconds + self._timing.courtesy)
        await self._agents(appliance).extend(awaited.change, seconds=longer, epoch=run.epoch)
        run.awaiting[appliance] = replace(awaited, until=now + longer)

    async def _confirm(self, run: Run, appliance: ApplianceId) -> bool:
        awaited = run.awaiting.get(appliance)
        if awaited is None:
            return False
        await self._agents(appliance).confirm(awaited.change, epoch=run.epoch)
        del run.awaiting[appliance]
        return True

    async def _put_rules(self, run: Run, action: PutRules) -> bool:
        agent = self._agents(action.appliance)
        current = await agent.get_rules()
        before = {rule.id: rule for rule in current.rules}
        after = {rule.id: rule for rule in action.rules}
        patch = PublicRulesPatch(
            base=current.revision,
            revision=current.revision + 1,
            epoch=run.epoch,
            put=tuple(rule for rule in action.rules if before.get(rule.id) != rule),
            remove=tuple(name for name in before if name not in after),
        )
        if not patch.put and not patch.remove:
            return False
        await agent.patch_rules(patch)
        return True

    async def _verify_tunnel(self, action: VerifyTunnel) -> None:
        deadline = time.monotonic() + self._timing.tunnel
        for pause in self._polls():
            server, client = [
                _tunnel_state(await self._agents(appliance).observed(), action.tunnel)
                for appliance in (action.server, action.client)
            ]
            if server is client is TunnelState.CONNECTED:
                break
            if time.monotonic() >= deadline:
                raise TunnelDown(action.tunnel, server.value, client.value)
            await asyncio.sleep(pause)

    async def _verify_mode(self, action: VerifyMode) -> None:
        deadline = time.monotonic() + self._timing.mode
        for pause in self._polls():
            missing = _missing(await self._agents(action.appliance).observed(), action)
            if missing is None:
                break
            if time.monotonic() >= deadline:
                raise ModeMissing(action.appliance, action.mode.name, missing)
            await asyncio.sleep(pause)

    async def _ready(self, action: Ready) -> None:
        deadline = time.monotonic() + self._timing.ready
        for pause in self._polls():
            if await self._answers(action.tenant, action.vm):
                break
            if time.monotonic() >= deadline:
                raise NotReady(f"{action.tenant}/{action.vm}", self._timing.ready)
            await asyncio.sleep(pause)

    def _polls(self) -> Iterator[float]:
        """Pauses between questions, growing: soon at first, gentle later."""
        pause = self._timing.first_poll
        while True:
            yield pause
            pause = min(pause * 2, self._timing.longest_poll)


def _tunnel_state(observed: Observed, tunnel: TunnelId) -> TunnelState:
    for report in observed.tunnels:
        if report.id == tunnel:
            return report.state
    return TunnelState.STOPPED


def _missing(observed: Observed, wanted: VerifyMode) -> str | None:
    """What the appliance lacks of the mode; None when it is complete."""
    if observed.failover != wanted.mode.name:
        return f"it is in mode {observed.failover}"
    if observed.state not in {ApplianceState.READY, ApplianceState.APPLYING}:
        return f"it is {observed.state.value}"
    present = {text.partition("/")[0] for nic in observed.nics for text in nic.addresses}
    absent = [str(address) for address in wanted.addresses if str(address) not in present]
    return f"it does not hold {', '.join(absent)}" if absent else None
