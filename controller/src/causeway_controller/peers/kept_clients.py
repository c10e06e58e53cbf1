"""Clients of providers' controllers that stay open from one order to the next: a handshake costs a provider
as much as what is ordered, and a tenant's half of a failover takes five orders.

Whether who asks counts is looked at there with each request, so a connection gives no right that has ended.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from causeway_controller.errors import PeerUnreachable
from causeway_controller.peers import pinning
from causeway_controller.peers.client import ProviderClient
from causeway_wire.types import Name, Pem, Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where a provider's controller is met, whom we expect there, and what we show."""

    url: str
    pins: tuple[str, ...]
    certificate: Pem | None
    key: Secret

    def client(self) -> ProviderClient:
        """Return a client of its own, to be opened."""
        context = pinning.context(self.pins, certificate=self.certificate, key=self.key)
        return ProviderClient(self.url, context)


@dataclass(slots=True)
class _Kept:
    """An open client, and how many use it."""

    door: Door
    client: ProviderClient
    users: int = 0
    given_up: bool = False


class KeptClients:
    """One for each provider. Use as an async context manager; not for several event loops."""

    def __init__(self) -> None:
        self._kept: dict[Name, _Kept] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close them, also while they are used: what is asked then fails."""
        while self._kept:
            _, kept = self._kept.popitem()
            await kept.client.__aexit__(None, None, None)

    async def forget(self, name: Name) -> None:
        """Keep none of this provider; who uses it goes on."""
        if (kept := self._kept.get(name)) is not None:
            await self._give_up(name, kept)

    @asynccontextmanager
    async def client(self, name: Name, door: Door) -> AsyncIterator[ProviderClient]:
        """Lend the client of this provider: the same as before, unless anything about the door is another.

        Who was not reached is met anew the next time, whatever became of the connection.
        """
        while (kept := self._kept.get(name)) is not None and kept.door != door:
            await self._give_up(name, kept)
        if kept is None:
            kept = self._kept[name] = _Kept(door, door.client())
            await kept.client.__aenter__()  # which waits for nothing
        kept.users += 1
        try:
            yield kept.client
        except PeerUnreachable:
            await self._give_up(name, kept)
            raise
        finally:
            kept.users -= 1
            await _close_unused(kept)

    async def _give_up(self, name: Name, kept: _Kept) -> None:
        """Lend it no more; who uses it goes on."""
        if self._kept.get(name) is kept:
            del self._kept[name]
        kept.given_up = True
        await _close_unused(kept)


async def _close_unused(kept: _Kept) -> None:
    if kept.given_up and not kept.users:
        await kept.client.__aexit__(None, None, None)
