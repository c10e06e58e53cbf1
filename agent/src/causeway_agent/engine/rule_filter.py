"""The public rules in the packet filter: changed by what differs, compared when somebody else was there.

The filter outlives the agent. After a restart, and after changes that were not ours, all elements are read
and only those that differ are touched, so that counters and flows go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping

import structlog

from causeway_agent.engine import events, ports
from causeway_agent.engine.state import State
from causeway_agent.errors import BackendError
from causeway_agent.plan.filter import public_elements
from causeway_agent.plan.filter.public_elements import Cuts, Elements
from causeway_agent.plan.filter.public_rules import Delta, Table, Work

ASKED_ABOUT = 64
"""Ports whose counters are asked for before their flows are looked for; with more, flows are at once."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class RuleFilter:
    """What the packet filter holds, as far as we know. Not for several tasks at once."""

    def __init__(self, publications: ports.Publications, *, clock: ports.Clock, state: State) -> None:
        self._publications = publications
        self._clock = clock
        self._state = state
        self.allocation: frozenset[bytes] = frozenset()
        """What `source` maps were made for."""
        self._suspect = True
        """Whether it may hold something else than the table."""
        self._compared = False
        """Whether it ever held what the table says: only then is a difference somebody's doing."""

    def suspect(self) -> None:
        """Somebody else changed the packet filter: the next look compares everything."""
        self._suspect = True

    async def apply(self, work: Work, wanted: Table) -> None:
        """Put a change into the filter; where that holds something unexpected, whatever it takes.

        Raises BackendError; then the next look compares.
        """
        doubted, self._suspect = self._suspect, True
        try:
            await self._publications.apply(work.delete, work.add)
        except BackendError:
            await self._compare(wanted, self.allocation)
        self._suspect = doubted

    async def take_back(self, work: Work) -> None:
        """Undo a change that was applied; what cannot be undone now, the next look does."""
        self._suspect = True
        try:
            await self._publications.apply(work.add, work.delete)
        except (BackendError, TimeoutError) as error:
            _log.error(events.RECONCILE_FAILED, reason=str(error))

    async def idle(self, cuts: Cuts, keys: Iterable[bytes]) -> frozenset[bytes]:
        """Those of the ports whose element never let a packet through: they have no flow to end.

        Looking for flows walks the whole connection table, asking for a counter does not.
        """
        asked = [key for key in keys if key in cuts]
        if not 0 < len(asked) <= ASKED_ABOUT:
            return frozenset()
        wanted: dict[str, list[bytes]] = {}
        for key in asked:
            wanted.setdefault(public_elements.published_set(key), []).append(key)
        try:
            counted = await self._publications.counters(wanted)
        except BackendError:
            return frozenset()
        return frozenset(
            key for name, listed in wanted.items() for key in listed if counted[name].get(key) == (0, 0)
        )

    async def end_flows(self, cuts: Cuts) -> int:
        """End what lost its rule; how many flows. One that cannot be ended is not let through either: every
        packet needs its rule.
        """
        if not cuts:
            return 0
        try:
            return await self._publications.cut(cuts)
        except (BackendError, TimeoutError) as error:
            _log.warning(events.RULES_FLOWS_LEFT, reason=str(error))
            return 0

    async def counters(self, wanted: Mapping[str, Collection[bytes]] | None) -> Mapping[str, ports.Counts]:
        """By set, then by key; of these keys or of all. Raises BackendError."""
        return await self._publications.counters(wanted)

    async def look(self, table: Table, allocation: frozenset[bytes]) -> None:
        """Make the filter hold the table; raises BackendError or TimeoutError."""
        if self._suspect:
            await self._compare(table, allocation)
        elif allocation != self.allocation:
            await self._move(table, allocation)

    async def _compare(self, table: Table, allocation: frozenset[bytes]) -> None:
        """Read all elements and repair what differs."""
        held = await self._publications.observe()
        delete, add = await asyncio.to_thread(_differing, held, table, allocation)
        if delete or add:
            await self._publications.apply(delete, add)
            deleted, added = _size(delete), _size(add)
            _log.warning(events.RULES_REPAIRED, deleted=deleted, added=added)
            if self._compared:
                words = f"public rules: {deleted} elements deleted, {added} put back"
                self._state.count_drift((words,), self._clock.now())
        self._suspect, self._compared, self.allocation = False, True, allocation

    async def _move(self, table: Table, allocation: frozenset[bytes]) -> None:
        """Let VMs leave with addresses of another allocation."""
        before, after = table.sources(self.allocation), table.sources(allocation)
        delete, add = public_elements.difference(before, after)
        if delete or add:
            self._suspect = True
            await self._publications.apply(delete, add)
        self._suspect, self.allocation = False, allocation


def open_keys(delta: Delta) -> frozenset[bytes]:
    """Ports of rules for everyone that go or change: each is one element with a counter."""
    return frozenset(
        key
        for entry in delta.before.values()
        if not entry.rule.sources and public_elements.ports(entry.rule) <= ASKED_ABOUT
        for key in public_elements.keys(entry)
    )


def _differing(held: Elements, table: Table, allocation: frozenset[bytes]) -> tuple[Elements, Elements]:
    return public_elements.difference(held, table.elements(allocation))


def _size(elements: Elements) -> int:
    return sum(map(len, elements.values()))
