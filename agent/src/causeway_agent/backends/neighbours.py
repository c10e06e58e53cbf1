"""The neighbours port: probes for addresses before they are claimed, announces them after.

RFC 5227 waits up to seven seconds for answers, for networks of any kind. On the data-centre segments that an
appliance sits on an answer takes well under a millisecond, and a failover waits for the result: three probes
within 120 ms are a compromise, stated in the documentation.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from causeway_agent import errors
from causeway_agent.backends import frames, packet_socket
from causeway_agent.plan.objects import Claim
from causeway_wire.types import IPAddress, MacAddress

_FRAME = 2048
_ANNOUNCEMENTS = 2
_ANNOUNCE_INTERVAL = 0.05
"""Seconds between announcements; one alone may be lost."""


@dataclass(frozen=True, slots=True)
class PacketNeighbours:
    """Implements `engine.ports.Neighbours` with packet sockets."""

    probes: int = 3
    interval: float = 0.04
    """Seconds that answers to each probe are waited for."""

    async def probe(self, claims: Iterable[Claim]) -> dict[Claim, MacAddress]:
        by_segment = itertools.groupby(sorted(claims, key=_segment), key=_segment)
        groups = {segment: list(members) for segment, members in by_segment}
        searches = [
            self._search(device, version, frozenset(each.address for each in members))
            for (device, version), members in groups.items()
        ]
        # Every search ends by itself within the same time, so a failed one need not cancel the others.
        results = await asyncio.gather(*searches, return_exceptions=True)
        found = dict(zip(groups, map(_or_raise, results), strict=True))
        return {
            claim: found[segment][claim.address]
            for segment, members in groups.items()
            for claim in members
            if claim.address in found[segment]
        }

    async def announce(self, claim: Claim) -> None:
        doing = f"announce {claim.address} on {claim.device}"
        with contextlib.ExitStack() as stack:
            sock = stack.enter_context(_open(doing, claim.device, claim.address.version))
            own = frames.announcements(claim.address, packet_socket.mac_of(sock))
            for number in range(_ANNOUNCEMENTS):
                if number:
                    await asyncio.sleep(_ANNOUNCE_INTERVAL)
                for frame in own:
                    await _send(doing, sock, frame)

    async def _search(
        self, device: str, version: int, addresses: frozenset[IPAddress]
    ) -> dict[IPAddress, MacAddress]:
        """Who answers for these addresses on one segment."""
        doing = f"probe for addresses on {device}"
        found: dict[IPAddress, MacAddress] = {}
        with _open(doing, device, version) as sock:
            own = packet_socket.mac_of(sock)
            for _ in range(self.probes):
                for address in sorted(addresses - found.keys(), key=int):
                    await _send(doing, sock, frames.probe(address, own))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.interval):
                        await _collect(doing, sock, own, addresses, found)
                if len(found) == len(addresses):
                    break
        return found


async def _collect(
    doing: str,
    sock: socket.socket,
    own: bytes,
    wanted: frozenset[IPAddress],
    found: dict[IPAddress, MacAddress],
) -> None:
    """Add claims of others to `found` until every wanted address has one."""
    loop = asyncio.get_running_loop()
    while len(found) < len(wanted):
        try:
            said = frames.parse_claim(await loop.sock_recv(sock, _FRAME))
        except OSError as error:
            raise _failed(doing, error) from error
        if said is not None and said.mac != own and said.address in wanted:
            found[said.address] = said.mac.hex(":")


def _open(doing: str, device: str, version: int) -> socket.socket:
    try:
        if version == 4:  # noqa: PLR2004 - the IP version
            return packet_socket.open_arp(device)
        return packet_socket.open_icmpv6_on_port(device, kind=frames.ADVERTISEMENT)
    except OSError as error:
        raise _failed(doing, error) from error


async def _send(doing: str, sock: socket.socket, frame: bytes) -> None:
    try:
        await asyncio.get_running_loop().sock_sendall(sock, frame)
    except OSError as error:
        raise _failed(doing, error) from error


def _or_raise(result: dict[IPAddress, MacAddress] | BaseException) -> dict[IPAddress, MacAddress]:
    if isinstance(result, BaseException):
        raise result
    return result


def _segment(claim: Claim) -> tuple[str, int]:
    return claim.device, claim.address.version


def _failed(doing: str, error: OSError) -> errors.BackendError:
    return errors.BackendError(doing, error.strerror or str(error))
