"""The firewall port: our nftables tables, loaded and compared as text.

After each load the tables are listed, and the digest of that listing is what "as we left it" means. Elements
of sets that packets fill, and counters, are no part of it. Nothing is remembered across a restart of the
agent: loading a policy anew keeps flows and counters, and costs less than proving that it need not be done.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator

from causeway_agent import errors
from causeway_agent.backends import nft_counters
from causeway_agent.backends.nft_channel import NftChannel
from causeway_agent.plan import ruleset
from causeway_agent.plan.policy import Policy

_SECONDS = 10.0
"""Longest time for one transaction; 100,000 map elements take 2 s."""
_TABLES = (f"table inet {ruleset.TABLE}", f"table arp {ruleset.TABLE}", f"table bridge {ruleset.TABLE}")


class NftFirewall:
    """Implements `engine.ports.Firewall` for the network namespace it is opened in."""

    def __init__(self, channel: NftChannel) -> None:
        self._channel = channel
        self._policy: Policy | None = None
        self._listing = ""

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator[NftFirewall]:
        """A firewall whose worker process ends on exit; the rules stay."""
        channel = NftChannel()
        try:
            yield cls(channel)
        finally:
            await channel.close()

    async def load(self, policy: Policy) -> None:
        self._policy = None
        await self.run(ruleset.render(policy))
        self._listing = _digest(await self.list_terse())
        self._policy = policy

    async def loaded(self) -> Policy | None:
        if self._policy is None or _digest(await self.list_terse()) != self._listing:
            return None
        return self._policy

    async def run(self, commands: str, *, options: str = "") -> str:
        """Run nft commands as one transaction; what they print.

        Raises BackendError with what libnftables said when it refuses: then nothing has changed.
        """
        answer = await self._channel.call(commands, options=options, seconds=_SECONDS)
        if answer.code:
            lines = [line for line in answer.error.splitlines() if line]
            raise errors.BackendError("change the packet filter", lines[0] if lines else "refused")
        return answer.output

    async def list_terse(self) -> str:
        """Our tables without counters and without what packets put into sets; empty without tables."""
        return await self._list("list", options="stateless static")

    async def counters(self) -> dict[str, tuple[int, int]]:
        """Packets and octets of every named counter."""
        return await asyncio.to_thread(nft_counters.read, ruleset.TABLE)

    async def _list(self, verb: str, *, options: str = "") -> str:
        """Those of our tables that exist, one by one: nft 1.0.6 finds only one per transaction."""
        present = (await self.run("list tables")).splitlines()
        listings = [
            await self.run(f"{verb} {table}", options=options) for table in _TABLES if table in present
        ]
        return "".join(listings)


def _digest(listing: str) -> str:
    return hashlib.sha256(listing.encode()).hexdigest()
