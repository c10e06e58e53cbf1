"""The firewall port: our nftables tables, loaded as text, compared as the kernel holds them.

What a policy must look like in the kernel is computed, never learnt from the tables in force: the same text
is loaded as tables that no packet sees, read, and removed; if anybody else changed nftables meanwhile, again.
Once that is known of one policy, of the next only what differs is computed; and loaded, where the tables in
force were seen to be as intended and nobody else has changed anything since. The tables in force are read
anew only after somebody has changed anything of nftables, which its generation tells.

Nothing is remembered across a restart of the agent: loading a policy anew keeps flows and counters, and costs
less than proving that it need not be done.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from causeway_agent import errors
from causeway_agent.backends.filter import nft_counters, nft_fingerprint, nft_foreign, nft_generation
from causeway_agent.backends.filter.nfnetlink import KeptLink
from causeway_agent.backends.filter.nft_channel import NftChannel
from causeway_agent.plan.filter import ruleset
from causeway_agent.plan.filter.text import CAME, Rendering, removal
from causeway_agent.plan.model.policy import Policy

ASLEEP = f"{ruleset.TABLE}_intended"
"""Tables that exist for milliseconds and that no packet sees: how the kernel holds what is intended."""

_SECONDS = 30.0
"""Longest time for one transaction; 100,000 map elements take 2 s."""
_ATTEMPTS = 20
"""How often what is intended is computed anew because somebody else changed nftables meanwhile: it takes
10 to 50 ms, a program that changes something each 50 ms leaves room for it.
"""
_STUBBORN = 2
"""Looks in a row that found other tables than intended, after which they are made from nothing."""


class NftFirewall:
    """Implements `engine.ports.Firewall` for the network namespace it is opened in."""

    def __init__(self, channel: NftChannel) -> None:
        self._channel = channel
        self._link = KeptLink()
        self._turn = asyncio.Lock()
        """Our own transactions one after the other: none of them disturbs what is being computed."""
        self._policy: Policy | None = None
        """Loaded last; whether it is in force is asked of the kernel."""
        self._rendering: Rendering | None = None
        """The text of that."""
        self._computed: Rendering | None = None
        """The text of which it was computed what it looks like in the kernel."""
        self._intended: dict[str, bytes] = {}
        """What that is."""
        self._untouched: int | None = None
        """How many changes of others were met before the tables in force were seen to be as intended: as long
        as there are no more, they are what was loaded last."""
        self._generation: int | None = None
        """At which the tables in force were seen to be as intended."""
        self._foreign: frozenset[str] = frozenset()
        self._foreign_at: int | None = None
        """Tables of others, and at which generation they were listed."""
        self._wrong = 0
        """Looks in a row that found them otherwise."""

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator[NftFirewall]:
        """A firewall whose worker process ends on exit; the rules stay."""
        channel = NftChannel()
        made = cls(channel)
        start = asyncio.create_task(channel.start())
        try:
            yield made
        finally:
            made._link.close()
            await start
            await channel.close()

    async def load(self, policy: Policy) -> None:
        async with self._turn:
            await self._load(policy)

    async def restore(self) -> None:
        async with self._turn:
            if self._policy is None:
                raise errors.BackendError("restore the packet filter", "none was loaded yet")
            await self._load(self._policy)

    async def loaded(self) -> Policy | None:
        async with self._turn:
            if self._policy is None or self._rendering is None:
                return None
            if self._computed is not self._rendering:
                self._intended = await self._compute(self._rendering)
                self._computed = self._rendering
            others, now = _others(), _generation()
            if now == self._generation:
                return self._policy
            if not await self._as_intended():
                self._generation = self._untouched = None
                self._wrong += 1
                return None
            self._generation, self._untouched, self._wrong = now, others, 0
            return self._policy

    async def foreign(self) -> frozenset[str]:
        generation = _generation()
        if generation != self._foreign_at:
            self._foreign = await asyncio.to_thread(nft_foreign.read, self._link, {ruleset.TABLE, ASLEEP})
            self._foreign_at = generation
        return self._foreign

    async def run(self, commands: str) -> str:
        """Run nft commands as one transaction; what they print.

        Raises BackendError with what libnftables said when it refuses: then nothing has changed.
        """
        async with self._turn:
            return await self._run(commands)

    async def fingerprint(self, table: str = ruleset.TABLE) -> nft_fingerprint.Digests:
        """Digests of these tables: of what a policy says, not of what packets and public rules fill in."""
        filled = ruleset.FILLED_BY_RULES
        return await asyncio.to_thread(nft_fingerprint.read, self._link, table, filled=filled)

    async def counters(self) -> dict[str, tuple[int, int]]:
        """Packets and octets of every named counter."""
        return await asyncio.to_thread(nft_counters.read, self._link, ruleset.TABLE)

    async def _load(self, policy: Policy) -> None:
        """Load what differs where that is enough; else fill our tables anew."""
        if policy == self._policy and self._rendering is not None:
            await self._load_whole(self._rendering)
        else:
            rendering = await asyncio.to_thread(ruleset.rendering, policy)
            if not await self._load_difference(rendering):
                await self._load_whole(rendering)
            self._policy, self._rendering = policy, rendering
        self._generation = None

    async def _load_difference(self, rendering: Rendering) -> bool:
        """Whether that could be done: the tables in force are exactly what was loaded last."""
        if self._rendering is None or self._untouched is None or self._untouched != _others():
            return False
        text = await asyncio.to_thread(rendering.awake_after, self._rendering)
        try:
            await self._run(text)
        except errors.BackendError:
            return False
        return True

    async def _load_whole(self, rendering: Rendering) -> None:
        """Fill our tables; make them from nothing when filling them does not help."""
        text = await asyncio.to_thread(rendering.awake)
        try:
            await self._run(removal(ruleset.TABLE) + text if self._wrong >= _STUBBORN else text)
        except errors.BackendError:
            if self._wrong == 0:
                raise  # the tables before stand: nothing was changed
            await self._run(removal(ruleset.TABLE) + text)
        self._untouched = None

    async def _as_intended(self) -> bool:
        if await asyncio.to_thread(nft_fingerprint.is_dormant, self._link, ruleset.TABLE):
            return False
        return await self.fingerprint() == self._intended

    async def _compute(self, rendering: Rendering) -> dict[str, bytes]:
        """Digests of tables that hold this policy and nothing else, made for the purpose."""
        if self._computed is None:
            text = await asyncio.to_thread(rendering.asleep, ASLEEP)
        else:
            text = await asyncio.to_thread(rendering.asleep_after, self._computed, ASLEEP)
        try:
            for _ in range(_ATTEMPTS):
                before = _generation()
                await self._run(text)
                digests = await self.fingerprint(ASLEEP)
                if _generation() == before + 1:
                    return _after(self._intended, digests) if self._computed else dict(digests)
        finally:
            await self._run(removal(ASLEEP))
        reason = "other programs change nftables all the time; find them with `nft monitor`"
        raise errors.BackendError("compute what the packet filter must be", reason)

    async def _run(self, commands: str) -> str:
        try:
            with nft_generation.GENERATIONS.ours() as change:
                answer = await self._channel.call(commands, seconds=_SECONDS)
                if answer.code:
                    change.transactions = 0  # what happened meanwhile was somebody else's doing
        except OSError as error:
            raise errors.BackendError("ask nftables", error.strerror or str(error)) from error
        if answer.code:
            lines = [line for line in answer.error.splitlines() if line]
            raise errors.BackendError("change the packet filter", lines[0] if lines else "refused")
        return answer.output


def _after(before: nft_fingerprint.Digests, found: nft_fingerprint.Digests) -> dict[str, bytes]:
    """What tables become, from what they are and what was found of the difference (`Rendering.asleep_after`):
    sets, elements and chain `identity`; the other chains are the same for every policy.
    """
    after = dict(before)
    for key, digest in found.items():
        whole, _, way = key.partition(".")
        if " chain " in key and not key.endswith(" chain identity"):
            continue
        if not way:
            after[key] = digest
        elif " elements " in key:
            reckon = nft_fingerprint.added if way == CAME else nft_fingerprint.removed
            after[whole] = reckon(after[whole], digest)
    return after


def _generation() -> int:
    """Raises BackendError."""
    try:
        return nft_generation.now()
    except OSError as error:
        raise errors.BackendError("ask nftables", error.strerror or str(error)) from error


def _others() -> int:
    """How many changes of others were met so far; raises BackendError."""
    try:
        return nft_generation.GENERATIONS.foreign()
    except OSError as error:
        raise errors.BackendError("ask nftables", error.strerror or str(error)) from error
