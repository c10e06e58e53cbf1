"""Carries out single actions of a failover: through hypervisors, and through the agents' clients.

Every effect may be repeated. What a run remembers between its steps is what awaits confirmation and when
machines were powered on.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from causeway_controller.contract.requests import Request
from causeway_controller.errors import AgentUnreachable, ControllerError, Superseded, Unheard
from causeway_controller.failover import documents
from causeway_controller.failover.steps import (
    Action,
    Apply,
    AskHalf,
    AwaitTenant,
    Call,
    CloseHalf,
    Confirm,
    EditRules,
    LetGo,
    MachineRef,
    OpenHalf,
    Pause,
    Power,
    PutRules,
    Ready,
    Settle,
    VerifyMode,
    VerifyTunnel,
    appliance_machine,
)
from causeway_controller.inventory import modes, tenancy
from causeway_controller.store.generations import GenerationBook
from causeway_controller.workflows import powering, readiness, rules, trials
from causeway_controller.workflows.acting import Awaited, Run
from causeway_controller.workflows.holding import Holding
from causeway_controller.workflows.hook_calls import NO_HOOKS
from causeway_controller.workflows.numbering import numbered
from causeway_controller.workflows.other_site import OtherSite
from causeway_controller.workflows.ports import (
    Agent,
    Agents,
    Answers,
    Half,
    Halves,
    Hooks,
    Hypervisors,
    Questioned,
    Unenrolled,
    Words,
)
from causeway_controller.workflows.preflight import Preflight
from causeway_controller.workflows.shared_looks import SharedLook
from causeway_controller.workflows.survey import Survey
from causeway_controller.workflows.timing import Timing
from causeway_controller.workflows.waits import Waits
from causeway_wire.change import ChangeState
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.types import ApplianceId, ChangeId, Epoch, Generation, Name

QUESTIONS: Final = 200
"""That are asked of appliances and hosts at once by who looks before runs and after them."""


def _no_half(_name: ApplianceId, _run: str) -> None:
    return None


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
        hooks: Hooks = NO_HOOKS,
        halves: Halves = _no_half,
        words: Words | None = None,
        unenrolled: Unenrolled = readiness.all_enrolled,
        in_charge: Callable[[], None] = lambda: None,
    ) -> None:
        """`in_charge` is called immediately before each effect, and does not return when another controller
        may have taken over: a hypervisor, unlike an agent, takes orders from whoever is late.
        """
        self._agents = agents
        self._hypervisors = hypervisors
        self._generations = generations
        self._timing = timing
        self._turns = asyncio.Semaphore(QUESTIONS)
        self._waits = Waits(agents=agents, hypervisors=hypervisors, answers=answers, timing=timing)
        self._hooks = hooks
        self._unenrolled = unenrolled
        self._halves = halves
        looks = None if words is None else SharedLook(words.open, seconds=timing.longest_poll / 2)
        self.holding = Holding(words=words, looks=looks, agents=agents, timing=timing, in_charge=in_charge)
        self._other_site = OtherSite(halves=halves, holding=self.holding)
        self._in_charge = in_charge

    async def can_begin(self, request: Request, site: tenancy.Site, host: Name) -> None:
        """Raise ProblemError when the provider's appliance is missing or has failed; see `readiness`.

        A tenant's controller commands none: the provider's asks the same when it is to open its half.
        """
        if isinstance(site.tenants[request.tenant].provider, tenancy.ProviderHalf):
            return
        await readiness.check(request, site, host=host, looks=self.survey)

    @property
    def survey(self) -> Survey:
        """What looks at the same machines and appliances and changes nothing."""
        return Survey(
            agents=self._asked,
            hypervisors=self._hypervisors,
            hooks=self._hooks,
            turns=self._turns,
            patience=self._timing.courtesy,
            pause=self._timing.longest_poll,
            unenrolled=self._unenrolled,
        )

    @property
    def preflight(self) -> Preflight:
        """What looks whether a run can be carried out."""
        return Preflight(survey=self.survey, halves=self._halves)

    async def fence(self, run: Run, appliances: Iterable[ApplianceId]) -> tuple[ApplianceId, ...]:
        """Shut other controllers out of these; those that did not answer.

        Raises Superseded when another controller is the newer one. Who does not answer cannot be acted on
        either, and is fenced when it is powered on.
        """
        asked = tuple(appliances)
        while True:
            answers = await asyncio.gather(*(self._fence(run, one) for one in asked))
            ahead = [answer for answer in answers if not isinstance(answer, bool)]
            if not ahead:
                silent = [one for one, answer in zip(asked, answers, strict=True) if answer is False]
                run.unheard.difference_update(asked)
                run.unheard.update(silent)
                return tuple(silent)
            await self._outrun(run, max(ahead))

    def _asked(self, appliance: ApplianceId) -> Questioned:
        return self._halves(appliance, "") or self._agents(appliance)

    def _party(self, run: Run, appliance: ApplianceId) -> Agent | Half:
        """Whom to tell: an appliance's agent, or the controller that does the other half of the run."""
        return self._halves(appliance, run.id) or self._agents(appliance)

    async def _fence(self, run: Run, appliance: ApplianceId) -> bool | Epoch:
        """Whether it is done; the epoch that the appliance has accepted when that is a newer one."""
        try:
            async with asyncio.timeout(self._timing.courtesy):
                await self._party(run, appliance).fence(run.epoch)
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
        Superseded: another controller acts for the run. One whose new system is on trial is waited for.
        """
        if courtesy:
            return await self._obeyed(run, action, courtesy=True)
        return await trials.outlast(
            lambda: self._obeyed(run, action, courtesy=False),
            timing=self._timing,
            stop_requested=run.stop_requested,
            waits=run.waits,
        )

    async def _obeyed(self, run: Run, action: Action, *, courtesy: bool) -> bool:
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
            case PutRules() | EditRules():
                changed = await self._rules(run, action)
            case VerifyTunnel() | VerifyMode() | Ready() | Pause():
                await self._waits.until(action)
            case Call():
                await self._hooks.call(action, run.id)
                changed = True
            case Settle(mode=mode):
                await run.settle(mode)
                changed = True
            case AwaitTenant() | LetGo() | OpenHalf() | AskHalf() | CloseHalf():
                changed = await self._other_site.act(run, action)
        return changed

    async def take_back(self, run: Run, done: Action, compensation: Action) -> None:
        """Undo what `done` did: cancelled where the appliance still awaits confirmation, else compensated.

        A cancelled change leaves what was in force before it: where that may be what a run before this one
        confirmed and could not take back, it is compensated as well.
        """
        self._in_charge()
        if isinstance(done, Apply) and (awaited := run.awaiting.pop(done.appliance, None)) is not None:
            try:
                cancelled = await self._cancelled(run, done.appliance, awaited.change)
            except ProblemError as error:
                await self._overtake(run, error)
                cancelled = await self._cancelled(run, done.appliance, awaited.change)
            if cancelled and not run.inherits:
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
        if await powering.is_so(action, self._hypervisors, self._agents, self._timing):
            return False
        self._in_charge()
        async with asyncio.timeout(self._timing.power):
            provider = self._hypervisors(action.machine)
            await provider.power(action.machine.owner_id, on=action.on, grace=self._timing.grace)
        if action.on and action.machine.appliance is not None:
            await self._waits.live(action.machine.appliance)
            await self.fence(run, (action.machine.appliance,))
        return True

    async def _apply(self, run: Run, action: Apply, patience: float) -> None:
        try:
            await self._send(run, action, patience)
        except ProblemError as error:
            await self._make_way(run, action, error)
            await self._send(run, action, patience)

    async def _make_way(self, run: Run, action: Apply, refusal: ProblemError) -> None:
        """Put right what a second attempt can put right; raises the refusal when there is nothing.

        The epoch fences other workflows off, so a change that awaits confirmation was left by a run that
        died, or that could not take it back.
        """
        found, appliance = refusal.problem, action.appliance
        if found.type == ProblemType.AWAITING_CONFIRMATION.urn and isinstance(found.change, str):
            if _led_elsewhere(run.site, action) and not run.taken_over:
                raise refusal  # who relies on it cannot be asked; it goes back by itself, after them
            for one in _relying(run.site, action):
                await self._let_go(run, one)
            await self._agents(appliance).cancel(found.change, epoch=run.epoch)
        else:
            raise refusal

    async def _let_go(self, run: Run, machine: MachineRef) -> None:
        """Take back what awaits confirmation at an appliance that may rely on what is about to be taken back.

        Raises Unheard when it does not answer: its change ends by itself before the one that it relies on.
        """
        found = await self._hypervisors(machine).find(machine.owner_id)
        if found is not None and not found.powered_on:
            return
        appliance = machine.name
        try:
            await self._agents(appliance).fence(run.epoch)
            seen = (await self._agents(appliance).observed()).change
            if seen is None:
                return
            change = await self._agents(appliance).change(seen, wait=int(self._timing.change))
            if change.state is ChangeState.AWAITING:
                await self._cancelled(run, appliance, change.id)
        except (AgentUnreachable, TimeoutError) as error:
            run.unheard.add(appliance)
            raise Unheard(appliance) from error

    async def _send(self, run: Run, action: Apply, patience: float) -> None:
        await numbered(
            self._generations,
            action.appliance,
            lambda generation: self._sent(run, action, patience, generation=generation),
        )

    async def _sent(self, run: Run, action: Apply, patience: float, *, generation: Generation) -> None:
        site = tenancy.with_mode(run.site, action.tenant, action.mode)
        document = documents.document(site, action.appliance, generation=generation, epoch=run.epoch)
        if action.within is not None:
            if action.within in run.unheard and await self.fence(run, (action.within,)):
                raise Unheard(action.within)
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
        """Have the appliance's change wait longer than another's that is about to be made.

        Again when that itself took longer than what was allowed for it.
        """
        awaited, spent = run.awaiting.get(appliance), 0.0
        while awaited is not None and awaited.until - (now := time.monotonic()) < seconds:
            longer = math.ceil(seconds + self._timing.courtesy + spent)
            await self._party(run, appliance).extend(awaited.change, seconds=longer, epoch=run.epoch)
            awaited = run.awaiting[appliance] = replace(awaited, until=now + longer)
            spent = time.monotonic() - now

    async def _confirm(self, run: Run, appliance: ApplianceId) -> bool:
        awaited = run.awaiting.get(appliance)
        if awaited is None:
            return False
        await self._party(run, appliance).confirm(awaited.change, epoch=run.epoch)
        del run.awaiting[appliance]
        return True

    async def _rules(self, run: Run, action: PutRules | EditRules) -> bool:
        """Whether anything had to be changed."""
        async with run.rules:
            agent = self._agents(action.appliance)
            current = await agent.get_rules()
            patch = rules.patch(current, action, run.epoch)
            if not patch.put and not patch.remove:
                return False
            await agent.patch_rules(patch)
            return True


def _led_elsewhere(site: tenancy.Site, action: Apply) -> bool:
    """Whether appliances that another controller commands may answer for what this one serves."""
    tenant = site.tenants[action.tenant]
    if action.appliance != tenant.provider.id or not isinstance(action.mode, modes.Idle | modes.Partial):
        return False
    return any(network not in tenant.appliances for network in tenant.networks)


def _relying(site: tenancy.Site, action: Apply) -> Iterator[MachineRef]:
    """Appliances that may answer for what this one serves. A full failover does not wait for a dead site."""
    tenant = site.tenants[action.tenant]
    if action.appliance != tenant.provider.id or not isinstance(action.mode, modes.Idle | modes.Partial):
        return
    for network in tenant.networks.values():
        if network.id in tenant.appliances:
            yield appliance_machine(tenant, network)
