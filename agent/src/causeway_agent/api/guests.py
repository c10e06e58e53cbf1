"""Who is connected, and for whom there is room: a few connections in all, fewer from one place.

Connections that have not shown a certificate yet count like others, but give way: when the house is full, the
oldest of them goes. So neither silence nor a flood keeps a controller out that is done with its handshake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Network, ip_address
from typing import Final

from causeway_wire.types import IPAddress, IPNetwork

CONNECTIONS: Final = 64
"""In all."""
CONNECTIONS_FROM_ONE: Final = 16
"""From one IPv4 address or one IPv6 /64, which is what one host has (RFC 8981)."""

Source = IPAddress | IPNetwork


@dataclass(eq=False, slots=True)
class Guest:
    """A connection. `handshake` is what is under way before the peer has shown who it is, then None."""

    source: Source
    handshake: asyncio.Task[None] | None = None
    transport: asyncio.Transport | None = None
    """Once it has."""

    def entered(self, transport: asyncio.Transport) -> None:
        """The peer has shown who it is."""
        self.handshake, self.transport = None, transport


class Guests:
    """All connections of one listener, oldest first."""

    def __init__(self, *, most: int = CONNECTIONS, most_from_one: int = CONNECTIONS_FROM_ONE) -> None:
        self._most, self._most_from_one = most, most_from_one
        self._here: dict[Guest, None] = {}

    def __len__(self) -> int:
        return len(self._here)

    def receive(self, address: str) -> Guest | None:
        """A place for a connection from this address; None when there is none for it."""
        source = source_of(address)
        if sum(guest.source == source for guest in self._here) >= self._most_from_one:
            return None
        if len(self._here) >= self._most and not self._make_room():
            return None
        guest = Guest(source)
        self._here[guest] = None
        return guest

    def leave(self, guest: Guest) -> None:
        """The connection has ended; saying so again does nothing."""
        self._here.pop(guest, None)

    def shaking_hands(self) -> list[asyncio.Task[None]]:
        """What is under way with those that have not shown who they are."""
        return [guest.handshake for guest in self._here if guest.handshake is not None]

    def turn_out(self, unwelcome: Callable[[asyncio.Transport], bool]) -> None:
        """End the connections, requests under way included, that this says are unwelcome."""
        for transport in [guest.transport for guest in self._here]:
            if transport is not None and unwelcome(transport):
                transport.abort()

    def _make_room(self) -> bool:
        for guest in self._here:
            if guest.handshake is not None:
                guest.handshake.cancel()
                self.leave(guest)
                return True
        return False


def source_of(address: str) -> Source:
    """Who the address counts as."""
    parsed = ip_address(address.partition("%")[0])
    return parsed if parsed.version == 4 else IPv6Network((int(parsed) >> 64 << 64, 64))  # noqa: PLR2004
