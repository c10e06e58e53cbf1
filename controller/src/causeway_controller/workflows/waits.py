"""Waits until appliances, tunnels and replicas are what they were told to be. Changes nothing."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from causeway_controller.contract.tenant import ReadyBy
from causeway_controller.errors import AgentUnreachable, ModeMissing, NotReady, TunnelDown
from causeway_controller.failover.steps import Pause, Ready, VerifyMode, VerifyTunnel
from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.workflows.ports import Agents, Answers, Hypervisors
from causeway_controller.workflows.timing import Timing
from causeway_wire.observed import ApplianceState, Observed, TunnelState
from causeway_wire.types import ApplianceId, TunnelId


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Asks again and again, until it is so or the time is over."""

    agents: Agents
    hypervisors: Hypervisors
    answers: Answers
    timing: Timing

    async def until(self, action: VerifyTunnel | VerifyMode | Ready | Pause) -> None:
        """Wait as the action says. Raises TunnelDown, ModeMissing, NotReady."""
        match action:
            case VerifyTunnel():
                await self._tunnel(action)
            case VerifyMode():
                await self._mode(action)
            case Ready():
                await self._ready(action)
            case Pause():
                await asyncio.sleep(action.seconds)

    async def live(self, appliance: ApplianceId) -> None:
        """Wait until a booting appliance's agent answers. Raises AgentUnreachable."""
        agent = self.agents(appliance)
        deadline = time.monotonic() + self.timing.boot
        for pause in self.timing.polls():
            try:
                await agent.live()
            except AgentUnreachable:
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(pause)
            else:
                return

    async def _tunnel(self, action: VerifyTunnel) -> None:
        deadline = time.monotonic() + self.timing.tunnel
        for pause in self.timing.polls():
            states = {
                one: _tunnel_state(await self.agents(one).observed(), action.tunnel) for one in action.ends
            }
            if all(state is TunnelState.CONNECTED for state in states.values()):
                break
            if time.monotonic() >= deadline:
                ends = (action.server, action.client)
                server, client = ("not ours" if one is None else states[one].value for one in ends)
                raise TunnelDown(action.tunnel, server, client)
            await asyncio.sleep(pause)

    async def _mode(self, action: VerifyMode) -> None:
        deadline = time.monotonic() + self.timing.mode
        for pause in self.timing.polls():
            missing = _missing(await self.agents(action.appliance).observed(), action)
            if missing is None:
                break
            if time.monotonic() >= deadline:
                raise ModeMissing(action.appliance, action.mode.name, missing)
            await asyncio.sleep(pause)

    async def _ready(self, action: Ready) -> None:
        seconds = self.timing.ready if action.timeout is None else action.timeout
        deadline = time.monotonic() + seconds
        for pause in self.timing.polls():
            if await self._is_ready(action):
                break
            if time.monotonic() >= deadline:
                raise NotReady(action.machine.owner_id, seconds)
            await asyncio.sleep(pause)

    async def _is_ready(self, action: Ready) -> bool:
        """Raises NotReady where the guest is meant and nobody can tell of it."""
        try:
            return await self._shown(action)
        except HypervisorError:
            return False  # it may be busy: what it says at the end of the time counts

    async def _shown(self, action: Ready) -> bool:
        if action.by is not ReadyBy.POWER:
            answers = await self.answers(action.tenant, action.vm)
            if answers is not None:
                return answers
            if action.by is ReadyBy.GUEST:
                raise NotReady(action.machine.owner_id, 0.0, unknown=True)
        found = await self.hypervisors(action.machine).find(action.machine.owner_id)
        return found is not None and found.powered_on


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
    if absent:
        return f"it does not hold {', '.join(absent)}"
    held = [str(address) for address in wanted.released if str(address) in present]
    return f"it still holds {', '.join(held)}" if held else None
