"""The firewall port: our nftables tables, loaded as text, compared as the kernel holds them.

After each load the fingerprint of the tables is what "as we left it" means; it is taken anew only after
somebody has changed anything of nftables, which its generation tells. Nothing is remembered across a restart
of the agent: loading a policy anew keeps flows and counters, and costs less than proving that it need not be
done.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from causeway_agent import errors
from causeway_agent.backends import generations, nft_counters, nft_fingerprint
from causeway_agent.backends.nfnetlink import KeptLink
from causeway_agent.backends.nft_channel import NftChannel
from causeway_agent.plan import ruleset
from causeway_agent.plan.policy import Policy

_SECONDS = 30.0
"""Longest time for one transaction; 100,000 map elements take 2 s."""


class NftFirewall:
    """Implements `engine.ports.Firewall` for the network namespace it is opened in."""

    def __init__(self, channel: NftChannel) -> None:
        self._channel = channel
        self._link = KeptLink()
        self._policy: Policy | None = None
        self._fingerprint = ""
        self._generation: int | None = None
        """At which our tables had this fingerprint."""

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator[NftFirewall]:
        """A firewall whose worker process ends on exit; the rules stay."""
        channel = NftChannel()
        made = cls(channel)
        try:
            yield made
        finally:
            made._link.close()
            await channel.close()

    async def load(self, policy: Policy) -> None:
        self._policy = None
        await self.run(ruleset.render(policy))
        # Asked before the tables are read: what changes in between is found by the next look.
        self._generation = _generation()
        self._fingerprint = await self.fingerprint()
        self._policy = policy

    async def loaded(self) -> Policy | None:
        if self._policy is None:
            return None
        now = _generation()
        if now != self._generation:
            if await self.fingerprint() != self._fingerprint:
                return None
            self._generation = now
        return self._policy

    async def run(self, commands: str) -> str:
        """Run nft commands as one transaction; what they print.

        Raises BackendError with what libnftables said when it refuses: then nothing has changed.
        """
        try:
            with generations.GENERATIONS.ours():
                answer = await self._channel.call(commands, seconds=_SECONDS)
        except OSError as error:
            raise errors.BackendError("ask nftables", error.strerror or str(error)) from error
        if answer.code:
            lines = [line for line in answer.error.splitlines() if line]
            raise errors.BackendError("change the packet filter", lines[0] if lines else "refused")
        return answer.output

    async def fingerprint(self) -> str:
        """Digest of our tables: of what a policy says, not of what packets and public rules put into sets."""
        filled = ruleset.FILLED_BY_RULES
        return await asyncio.to_thread(nft_fingerprint.read, self._link, ruleset.TABLE, filled=filled)

    async def counters(self) -> dict[str, tuple[int, int]]:
        """Packets and octets of every named counter."""
        return await asyncio.to_thread(nft_counters.read, self._link, ruleset.TABLE)


def _generation() -> int:
    """Raises BackendError."""
    try:
        return generations.now()
    except OSError as error:
        raise errors.BackendError("ask nftables", error.strerror or str(error)) from error
