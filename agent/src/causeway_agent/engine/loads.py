"""Sees to it that no machine takes a tunnel from the others: looks whether tunnels' devices have to drop.

While they do not, that is one small file a second. When one does, it is counted who sends into it
(`plan.steer.load`): who sends more than a share is held to that, and told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import structlog

from causeway_agent.engine import events, ports
from causeway_agent.engine.state import State
from causeway_agent.plan.filter.load import LASTING
from causeway_agent.plan.model.processes import VpnClient, VpnServer
from causeway_agent.plan.steer import load
from causeway_agent.plan.steer.load import Flow, Pressure, Sender
from causeway_wire.observed import SlowedSender
from causeway_wire.problem import Problem, ProblemType, combine, problem
from causeway_wire.types import TunnelId

TICK: Final = 1.0
"""Seconds between two looks..."""
PRESSED_TICK: Final = 0.5
"""...and while a tunnel has, or lately had, no room."""
CHANGED: Final = 0.02
"""Part of a rate by which it must have changed to be told to the kernel."""
TOLD: Final = 8
"""Machines told at most."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Loads:
    """Watches the tunnels' devices."""

    def __init__(self, loads: ports.TunnelLoads, *, state: State) -> None:
        self._loads = loads
        self._state = state
        self._queues: Mapping[str, ports.Queue] = {}
        self._senders: Mapping[Sender, int] | None = None
        """None while they are not counted."""
        self._looked_at = 0.0
        self._pressures: dict[str, Pressure] = {}
        self._rates: Mapping[Sender, float] = {}
        self._said: tuple[frozenset[str], Mapping[Sender, int]] = (frozenset(), {})
        """What the packet filter was told last, and when."""
        self._said_at = 0.0

    @property
    def tick(self) -> float:
        """Seconds between two looks."""
        return PRESSED_TICK if self._pressures else TICK

    async def round(self, now: float) -> None:
        """One look."""
        before, seconds = self._queues, now - self._looked_at
        self._queues, self._looked_at = await self._loads.queues(), now
        for device in self._pressures.keys() - self._queues.keys():
            del self._pressures[device]
        try:
            offered = await self._offered(seconds)
            for device, queue in self._queues.items():
                if device in before:
                    flow = _flow(before[device], queue, seconds)
                    own = {each.mac: rate for each, rate in offered.items() if each.device == device}
                    self._keep(device, load.judge(self._pressures.get(device), flow, own, now))
            await self._say(now)
        finally:  # who is held is told as it is, also when the packet filter could not be asked or told
            self._tell(now)

    def _keep(self, device: str, pressure: Pressure | None) -> None:
        if pressure is not None:
            self._pressures[device] = pressure
        else:
            self._pressures.pop(device, None)

    async def _offered(self, seconds: float) -> Mapping[Sender, float]:
        """Packets per second by sender since the last look; empty where there was none at the senders."""
        if not self._pressures:
            self._senders, self._rates = None, {}
            return {}
        # None until they have answered: what is sent while they cannot be asked belongs to no look.
        before, self._senders = self._senders, None
        self._senders = await self._loads.senders()
        if before is None:
            return {}
        grown = {each: number - before.get(each, 0) for each, number in self._senders.items()}
        self._rates = {each: number / seconds for each, number in grown.items() if number > 0}
        return self._rates

    async def _say(self, now: float) -> None:
        """Tell the packet filter what changed, and before it forgets it all of it."""
        slowed = {
            Sender(device, mac): pressure.share
            for device, pressure in self._pressures.items()
            for mac in pressure.slowed
        }
        pressed, (_, said) = frozenset(self._pressures), self._said
        same = (pressed, slowed.keys()) == (self._said[0], said.keys()) and all(
            abs(rate - said[each]) <= CHANGED * said[each] for each, rate in slowed.items()
        )
        if same and (not pressed or now - self._said_at < LASTING / 3):
            return
        await self._loads.slow(pressed, slowed)
        self._said, self._said_at = (pressed, slowed), now
        for each in slowed.keys() - said.keys():
            rate = round(self._rates.get(each, 0.0))
            _log.warning(
                events.SENDER_SLOWED, device=each.device, mac=each.mac.hex(":"), rate=rate, share=slowed[each]
            )
        for each in said.keys() - slowed.keys():
            _log.info(events.SENDER_FREED, device=each.device, mac=each.mac.hex(":"))

    def _tell(self, now: float) -> None:
        """Put into the state what is told to everyone: who is held by what the packet filter still knows."""
        held = self._said[1] if now - self._said_at < LASTING else {}
        tunnels = self._tunnels() if self._pressures else {}
        told = [
            SlowedSender(
                tunnel=tunnels.get(device),
                device=device,
                mac=mac.hex(":"),
                rate=round(self._rates.get(Sender(device, mac), 0.0)),
                share=held[Sender(device, mac)],
                carries=round(pressure.carries),
            )
            for device, pressure in self._pressures.items()
            for mac in pressure.slowed
            if Sender(device, mac) in held
        ]
        told.sort(key=lambda each: (-each.rate, each.device, each.mac))
        self._state.slowed = tuple(told)
        self._state.note("loads", _problem(told[:TOLD]))

    def _tunnels(self) -> Mapping[str, TunnelId]:
        target = self._state.target
        found: dict[str, TunnelId] = {}
        for process in target.processes if target is not None else ():
            if isinstance(process, VpnServer | VpnClient):
                found[process.device] = process.tunnel
            if isinstance(process, VpnClient) and process.spare is not None:
                found[process.spare] = process.tunnel
        return found


def _flow(before: ports.Queue, after: ports.Queue, seconds: float) -> Flow:
    """A device that was made anew counts from nothing."""
    sent, dropped = after.sent - before.sent, after.dropped - before.dropped
    return Flow(max(sent, 0) / seconds, max(dropped, 0) / seconds)


def _problem(told: list[SlowedSender]) -> Problem | None:
    problems = tuple(
        problem(
            ProblemType.TUNNEL_FULL,
            f"the machine with MAC address {each.mac} sends {each.rate} packets a second into tunnel "
            f"{each.tunnel or each.device}, which carries {each.carries}: it is held to its share of "
            f"{each.share}; find out what it does",
        )
        for each in told
    )
    return combine(problems) if problems else None
