"""Keeps watch over what is held: says it again, asks who else has it, and tells who does.

Stands before the neighbours port: every claim goes through here. Another machine that shows itself within
seconds of a claim was there before, and answered late; unless the document says otherwise the claim is given
back. One that comes later is told about and not fought: the failover is a decision of people.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import structlog

from causeway_agent.engine import conflicts, events, ports, signal
from causeway_agent.engine.state import State
from causeway_agent.errors import BackendError
from causeway_agent.plan.model.objects import Claim
from causeway_agent.plan.model.target import Target
from causeway_agent.plan.steer import beats, holdings
from causeway_agent.plan.steer.holdings import Holding
from causeway_wire.desired import LateAnswer
from causeway_wire.observed import DuplicateAddress, DuplicateState, NeighbourTableReport
from causeway_wire.problem import Problem, ProblemType, combine, problem
from causeway_wire.types import MacAddress, Timestamp

TICK = 1.0
"""Seconds between two rounds, unless an announcement is due earlier."""
FRESH_SECONDS = 60.0
"""Longest time between a claim and the end of its change."""
COUNT_SECONDS = 10.0
"""How often the kernel's tables of neighbours are looked at."""
AT_ONCE = 64
"""Announcements after which others have their turn; a segment's storm control counts broadcasts too."""
BREATH = 0.05
"""Seconds after that."""
SHARE = 4.0
"""A round is followed by a rest of so many times what it took: while a change claims a thousand addresses,
the watch takes a fifth of the time, not all of it...
"""
LONGEST_REST = 0.25
"""...but no longer one than this, in seconds."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(slots=True)
class _Turn:
    """When an address is announced next, and how often it was."""

    claimed: float
    due: float
    done: int = 1


@dataclass(slots=True)
class _Contest:
    """Another machine that has an address of ours."""

    mac: MacAddress
    since: Timestamp
    last: float
    state: DuplicateState


class Watch:
    """Implements `ports.Neighbours` before the real one."""

    def __init__(self, neighbours: ports.Neighbours, *, clock: ports.Clock, state: State) -> None:
        self._neighbours = neighbours
        self._clock = clock
        self._state = state
        self._turns: dict[Claim, _Turn] = {}
        self._contests: dict[Claim, _Contest] = {}
        self._news: set[Claim] = set()
        """Claims of which there is something to log: a contest that began, changed its kind or ended."""
        self._stale = False
        """Whether what is told of contests is not what is known."""
        self._held: dict[Claim, Holding] = {}
        self._following: tuple[Target | None, Mapping[Claim, MacAddress]] = (None, {})
        self._probed: set[Claim] = set()
        self._fresh: dict[Claim, float] = {}
        """Claims that a running change made, and when; the target will have them when it ends."""
        self._unheard = False
        """Whether there are fresh claims that nobody listens for yet."""
        self._urgent: set[Claim] = set()
        self._own = frozenset[MacAddress]()
        self._asking: deque[Claim] = deque()
        self._credit = 0.0
        self._count_at = -math.inf
        self._ahead = clock.now().timestamp() - clock.monotonic()
        """Seconds that the time of day is ahead of the monotonic clock, which stands still while a machine
        sleeps or its hypervisor keeps it from running; the time of day is set right afterwards.
        """
        self._woken = asyncio.Event()
        self.contested: Callable[[Claim], None] = lambda _: None
        """Told when a claim is given back, and when it may be made again."""

    async def probe(self, claims: Iterable[Claim]) -> dict[Claim, MacAddress]:
        asked = tuple(claims)
        self._probed.update(asked)
        return await self._neighbours.probe(asked)

    async def announce(self, claim: Claim) -> None:
        self._take_up()
        now = self._clock.monotonic()
        known, probed = self._turns.get(claim), claim in self._probed
        since = now if known is None or probed else known.claimed
        self._turns[claim] = _Turn(since, now + holdings.gap(1, 0))
        if claim not in self._held and probed:
            # A claim, on its way to the target: heard from now on, so that no late answer is missed.
            self._held[claim] = Holding(claim, announced=True, asked=True)
            self._fresh[claim] = now
            self._unheard = True
        if probed:
            self._urgent.add(claim)
            self._contests.pop(claim, None)  # nobody answered; who does from now on answers this claim, late
        self._probed.discard(claim)
        await self._neighbours.announce(claim)
        self._woken.set()

    async def ask(self, claims: Iterable[Claim]) -> None:
        await self._neighbours.ask(claims)

    async def hold(self, held: Iterable[Holding], *, own: Collection[MacAddress]) -> None:
        await self._neighbours.hold(held, own=own)

    def sightings(self) -> AsyncIterator[ports.Sighting]:
        return self._neighbours.sightings()

    async def tables(self) -> tuple[ports.NeighbourTable, ...]:
        return await self._neighbours.tables()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._speak())

    async def _listen(self) -> None:
        async for sighting in self.sightings():
            self.seen(sighting)
            await asyncio.sleep(0)  # a full queue is no reason to let everything else wait

    async def _speak(self) -> None:
        before, loop = self._clock.monotonic(), asyncio.get_running_loop()
        while True:
            now = self._clock.monotonic()
            try:
                await self.round(now, elapsed=now - before)
            except BackendError as error:
                _log.debug(events.WATCH_LOST, reason=str(error))
            except Exception:  # noqa: BLE001 - the top of a round: the agent must go on
                _log.exception(events.RECONCILE_INCIDENT)
            before, now = now, self._clock.monotonic()
            rested = now + min(SHARE * (now - before), LONGEST_REST)
            due = min((turn.due for turn in self._turns.values()), default=math.inf)
            self._woken.clear()
            pause, began = max(min(due, beats.following(now, TICK)) - now, 0.01), loop.time()
            await signal.woken(self._woken, pause)
            if (rest := rested - self._clock.monotonic()) > 0:
                await asyncio.sleep(rest)
            self._come_back(loop.time() - began - pause - max(rest, 0.0))

    def _come_back(self, overslept: float) -> None:
        """Say all again, as after a claim, when we were away: stopped, suspended, or moved by a hypervisor.
        Its switch may look for us at another port, and neighbours may have lost what they knew.
        """
        ahead, before = self._clock.now().timestamp() - self._clock.monotonic(), self._ahead
        self._ahead = ahead
        away = max(overslept, ahead - before)
        if away < holdings.AWAY_SECONDS or not self._turns:
            return
        _log.warning(events.BACK, seconds=round(away, 1), addresses=len(self._turns))
        now = self._clock.monotonic()
        for turn in self._turns.values():
            turn.due, turn.done = now, 0

    async def round(self, now: float, *, elapsed: float) -> None:
        """One look at everything that is due; `elapsed` seconds after the one before."""
        self._tell()
        await self._follow()
        self._forget(now)
        await self._announce(now)
        await self._ask(elapsed)
        if now >= self._count_at:
            self._count_at = now + COUNT_SECONDS
            # Adapters that were down, or are others than they were, are listened on again.
            await self._neighbours.hold(self._held.values(), own=self._own)
            await self._count()

    async def _count(self) -> None:
        """How full the kernel's tables are, and whether somebody found no room."""
        before = {table.version: table.refused for table in self._state.tables}
        found = await self._neighbours.tables()
        self._state.tables = tuple(
            NeighbourTableReport(
                version=table.version, entries=table.entries, limit=table.limit, refused=table.refused
            )
            for table in found
        )
        full = [table for table in found if table.refused > before.get(table.version, table.refused)]
        self._state.note("neighbour tables", _room_problem(full))

    async def _follow(self) -> None:
        """Listen for what is held now, and for what was given back."""
        over = self._clock.monotonic() - next(iter(self._fresh.values()), math.inf) > FRESH_SECONDS
        if self._take_up(anew=self._unheard or over):
            self._unheard = False
            await self._neighbours.hold(self._held.values(), own=self._own)

    def _take_up(self, *, anew: bool = False) -> bool:
        """Take what the target holds for what is held, where it is another target than before; whether so."""
        state, now = self._state, self._clock.monotonic()
        target, released = self._following
        # Not whether they are equal: after an undo the target is as before, the claims between are over.
        ended = state.target is not target
        if state.target is None or not (ended or state.released is not released or anew):
            return False
        self._following, self._unheard = (state.target, state.released), True
        self._held = held = {each.claim: each for each in holdings.holdings(state.target)}
        self._fresh = {
            claim: since
            for claim, since in self._fresh.items()
            if not ended and claim not in held and now - since <= FRESH_SECONDS
        }
        held |= {claim: Holding(claim, announced=True, asked=True) for claim in self._fresh}
        # Given back before its change ended: the target does not have it yet, and it must not be forgotten.
        held |= {claim: Holding(claim, asked=True) for claim in state.released if claim not in held}
        ours = {claim for claim, holding in held.items() if holding.announced}
        for claim in self._turns.keys() - ours - state.target.heralded:
            del self._turns[claim]
        for claim, holding in held.items():
            if holding.announced and claim not in self._turns:
                # Held since before this agent began: said again soon.
                soon = random.uniform(0, holdings.GAPS[-1])  # noqa: S311 - spreads load, guards nothing
                self._turns[claim] = _Turn(-math.inf, now + soon, len(holdings.GAPS))
        asked = {claim for claim, holding in self._held.items() if holding.asked}
        kept = [claim for claim in self._asking if claim in asked]
        self._asking = deque((*kept, *sorted(asked.difference(kept), key=str)))
        self._own = frozenset(state.facts.devices.keys() if state.facts is not None else self._own)
        return True

    async def _announce(self, now: float) -> None:
        target = self._state.target
        heralded = target.heralded if target is not None else frozenset[Claim]()
        due = [claim for claim, turn in self._turns.items() if turn.due <= now]
        for number, claim in enumerate(sorted(due, key=str), 1):
            turn = self._turns[claim]
            turn.done += 1
            jitter = random.uniform(-1, 1)  # noqa: S311 - spreads load, guards nothing
            turn.due = now + holdings.gap(turn.done, jitter)
            if claim in heralded and claim not in self._held and turn.done > len(holdings.GAPS):
                del self._turns[claim]
            try:
                await self._neighbours.announce(claim)
            except BackendError as error:
                # An adapter that is down; said again when it is due.
                _log.debug(events.WATCH_LOST, reason=str(error))
            if number % AT_ONCE == 0:
                await asyncio.sleep(BREATH)

    async def _ask(self, elapsed: float) -> None:
        """In turn; those just claimed at once, while a late answer can still be told from a newcomer."""
        asking = self._asking
        self._credit += elapsed * holdings.asks_per_second(len(asking))
        number = min(int(self._credit), len(asking))
        self._credit -= int(self._credit)
        chosen = [asking.popleft() for _ in range(number)]
        asking.extend(chosen)
        urgent, self._urgent = self._urgent.difference(chosen), set()
        if chosen or urgent:
            await self._neighbours.ask((*chosen, *sorted(urgent & self._held.keys(), key=str)))

    def seen(self, sighting: ports.Sighting) -> None:
        """Another machine has an address: remember, and give back what was claimed over a late answer.

        It is told at the next round, of many at once: a site that comes back has every address, and a liar
        can be as many machines as it likes.
        """
        claim, mac, now = sighting.claim, sighting.mac, self._clock.monotonic()
        if self._state.target is not self._following[0]:
            self._take_up()  # what was let go a moment ago is no longer ours to defend
        if claim not in self._held:
            return
        known = self._contests.get(claim)
        if known is not None and known.mac == mac:
            known.last = now
            return
        verdict = self._verdict(claim, mac, now)
        if known is None or known.state is not verdict:
            self._news.add(claim)
        since = known.since if known is not None else self._clock.now()
        self._contests[claim] = _Contest(mac, since, now, verdict)
        self._stale = True
        if verdict is DuplicateState.RELEASED and claim not in self._state.released:
            self._fresh.pop(claim, None)
            self._state.release(claim, mac)
            self.contested(claim)
        if known is None:
            self._woken.set()

    def _verdict(self, claim: Claim, mac: MacAddress, now: float) -> DuplicateState:
        rules = conflicts.claim_rules(self._state.enforced)
        turn = self._turns.get(claim)
        if conflicts.is_overridden(rules, claim, mac):
            return DuplicateState.OVERRIDDEN
        if claim in self._state.released:
            return DuplicateState.RELEASED
        late = turn is not None and now - turn.claimed <= holdings.LISTEN_SECONDS
        if late and rules.late_answer is LateAnswer.RELEASE:
            return DuplicateState.RELEASED
        return DuplicateState.CONTESTED

    def _forget(self, now: float) -> None:
        """End what has been quiet, or is no longer ours to tell about."""
        quiet = holdings.quiet_seconds(len(self._asking))
        over = [
            claim
            for claim, contest in self._contests.items()
            if now - contest.last > quiet or claim not in self._held
        ]
        for claim in over:
            contest = self._contests.pop(claim)
            _log.info(events.ADDRESS_UNCONTESTED, address=str(claim.address), mac=contest.mac)
            self._state.reclaim(claim)
            if (turn := self._turns.get(claim)) is not None:
                # Neighbours may look for it at the other machine, which is gone: said as after a claim.
                turn.due, turn.done = now, 0
        self._news.update(over)
        self._stale |= bool(over)
        self._tell()

    def _tell(self) -> None:
        """Put into the state what is told to everyone, where it is other than before."""
        if not self._stale:
            return
        self._stale, news = False, sorted(self._news, key=str)
        self._news.clear()
        self._publish()
        for claim in news:
            if (contest := self._contests.get(claim)) is not None:
                _log.warning(
                    events.ADDRESS_CONTESTED,
                    address=str(claim.address),
                    device=claim.device,
                    mac=contest.mac,
                    state=contest.state.value,
                )
            self.contested(claim)

    def _publish(self) -> None:
        told = tuple(
            DuplicateAddress(
                address=claim.address,
                mac=contest.mac,
                device=claim.device,
                state=contest.state,
                since=contest.since,
            )
            for claim, contest in sorted(self._contests.items(), key=lambda item: str(item[0]))
        )
        enforced = self._state.enforced
        self._state.contested = told
        told_as = conflicts.contest_problem(enforced.document, told) if enforced is not None else None
        self._state.note("duplicates", told_as)


def _room_problem(full: list[ports.NeighbourTable]) -> Problem | None:
    told = tuple(
        problem(
            ProblemType.NEIGHBOURS_FULL,
            f"the table of IPv{table.version} neighbours is full ({table.entries} of {table.limit}): who is "
            "not in it is not reached; look for a guest that scans (the counter drop_scan grows), or raise "
            f"net.ipv{table.version}.neigh.default.gc_thresh3",
        )
        for table in full
    )
    return combine(told) if told else None
