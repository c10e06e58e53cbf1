"""Sees to it that no machine's connections leave the others without: looks how full the kernel's table is.

While there is room that is one small question a second. When there is little, it is counted who holds how
many (`plan.steer.shares`): who holds more than a share gets no new ones for a while, and is told with an
address of theirs; of who keeps the table full nevertheless, connections are ended down to the share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from causeway_agent.engine import events, ports
from causeway_agent.engine.state import State
from causeway_agent.plan.filter.shares import LISTED, REFUSED_SECONDS, networks
from causeway_agent.plan.steer import shares
from causeway_agent.plan.steer.shares import Held, Holder
from causeway_wire.observed import ConnectionReport, ConnectionShare
from causeway_wire.problem import Problem, ProblemType, combine, problem
from causeway_wire.types import IPNetwork

TICK: Final = 1.0
"""Seconds between two looks how full the table is."""
REST: Final = 4.0
"""A count is followed by a rest of so many times what it took."""
TOLD: Final = 8
"""Machines that are told of, those first that hold most."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Refusal:
    held: Held
    share: int
    until: float


class Shares:
    """Watches the table of connections."""

    def __init__(self, connections: ports.Connections, *, clock: ports.Clock, state: State) -> None:
        self._connections = connections
        self._clock = clock
        self._state = state
        self._refused: dict[Holder, _Refusal] = {}
        self._said: frozenset[Holder] = frozenset()
        """Whom the packet filter was last told to refuse, and when."""
        self._said_at = 0.0
        self._count_at = 0.0
        """The next count is not before."""
        self._full_until = -math.inf

    @property
    def tick(self) -> float:
        """Seconds between two looks."""
        return TICK

    async def round(self, now: float) -> None:
        """One look."""
        table = await self._connections.table()
        target = self._state.target
        self._refused = {holder: each for holder, each in self._refused.items() if now < each.until}
        crowded = table.entries > shares.LOOKED_FROM * table.limit
        # Whose connections are followed is asked of the whole policy, and not each second.
        if crowded and now >= self._count_at and target is not None and (followed := networks(target.policy)):
            await self._count(table, followed, now)
        await self._refuse(now)
        known = self._state.connections
        if known is not None and table.refused > known.refused:
            self._full_until = now + REFUSED_SECONDS
        self._tell(table, full=now < self._full_until)

    async def _refuse(self, now: float) -> None:
        """Tell the packet filter whom to refuse, unless it was told lately."""
        before, refused = self._said, frozenset(self._refused)
        if before != refused or (refused and now - self._said_at > REFUSED_SECONDS / 3):
            await self._connections.refuse(tuple(refused))
            self._said, self._said_at = refused, now
            self._log_changes(before)

    async def _count(
        self, table: ports.ConnectionTable, followed: Mapping[IPNetwork, str], now: float
    ) -> None:
        census = await self._connections.census(followed)
        over = shares.over(census, limit=table.limit)
        for holder, share in over.items():
            self._refused[holder] = _Refusal(census[holder], share, now + REFUSED_SECONDS)
        if len(self._refused) > LISTED:
            most = sorted(self._refused.items(), key=lambda each: -each[1].held.number)
            self._refused = dict(most[:LISTED])
        if over and table.entries > shares.EXCESS_FROM * table.limit:
            await self._refuse(now)  # or what is ended comes again meanwhile
            excess = {holder: census[holder].number - share for holder, share in over.items()}
            ended = await self._connections.end(excess, followed)
            _log.warning(events.CONNECTIONS_ENDED, number=ended)
        self._count_at = now + REST * (self._clock.monotonic() - now)

    def _log_changes(self, before: frozenset[Holder]) -> None:
        for holder in self._refused.keys() - before:
            refusal = self._refused[holder]
            _log.warning(
                events.CONNECTIONS_REFUSED,
                device=holder.device,
                address=str(refusal.held.address),
                mac=_mac(holder),
                number=refusal.held.number,
                share=refusal.share,
            )
        for holder in before - self._refused.keys():
            _log.info(events.CONNECTIONS_ALLOWED, device=holder.device, mac=_mac(holder))

    def _tell(self, table: ports.ConnectionTable, *, full: bool) -> None:
        """Put into the state what is told to everyone."""
        most = sorted(self._refused.items(), key=lambda each: (-each[1].held.number, str(each[0])))
        self._state.connections = ConnectionReport(
            entries=table.entries,
            limit=table.limit,
            refused=table.refused,
            over_share=len(most),
            shares=tuple(
                ConnectionShare(
                    device=holder.device,
                    address=each.held.address,
                    mac=_mac(holder),
                    held=each.held.number,
                    share=each.share,
                )
                for holder, each in most[:TOLD]
            ),
        )
        self._state.note("connections", _problem(self._state.connections, full=full))


def _mac(holder: Holder) -> str | None:
    """The end of its MAC address, where that is what it is known by."""
    return None if holder.mac is None else holder.mac.hex(":")


def _problem(report: ConnectionReport, *, full: bool) -> Problem | None:
    told = [
        problem(
            ProblemType.CONNECTIONS_FULL,
            f"{each.address} on {each.device} "
            + (f"(MAC address ...:{each.mac}) opened" if each.mac is not None else "took")
            + f" {each.held} of {report.limit} connections, more than its share of {each.share}: it gets no "
            "new ones for now; find out what it does, or raise net.netfilter.nf_conntrack_max",
        )
        for each in report.shares
    ]
    if full:
        told.append(
            problem(
                ProblemType.CONNECTIONS_FULL,
                f"the table of connections is full ({report.entries} of {report.limit}): there are no new "
                "ones; raise net.netfilter.nf_conntrack_max",
            )
        )
    return combine(tuple(told)) if told else None
