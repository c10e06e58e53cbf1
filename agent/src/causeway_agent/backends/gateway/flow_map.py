"""The gateway's flows in the kernel: which source leads to which server, and where tunnels are at home.

Octets over nfnetlink, not nft text: a thousand tunnels may come at once, and the worker that loads policies
may be busy with one. See `plan.filter.door` for the sets.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Collection
from typing import Final

from causeway_agent.backends.filter import nft_elements
from causeway_agent.backends.filter.nfnetlink import KeptLink
from causeway_agent.backends.filter.nft_generation import GENERATIONS
from causeway_agent.plan.filter import door
from causeway_agent.plan.filter.public_elements import Elements
from causeway_wire.types import IPAddress, IPNetwork

Source = tuple[IPAddress, int]
"""Address and UDP port."""

_VERSIONS: Final = (4, 6)
_SUFFIXES: Final = tuple(door.suffix_of(version) for version in _VERSIONS)


class FlowMap:
    """The sets of this network namespace. Everything raises OSError; blocking work is done by a thread."""

    def __init__(self) -> None:
        self._link = KeptLink()

    async def admit(self, source: Source, server: Source, place: IPNetwork) -> None:
        """Make a flow known, and the place where it comes from; whatever it led to before is forgotten."""
        await asyncio.to_thread(self._admit, source, server, place)

    async def forget(self, source: Source) -> None:
        """Make a flow unknown; it may be already."""
        await asyncio.to_thread(self._forget, source)

    async def carried(self) -> dict[Source, Source]:
        """The server by source of every flow that the kernel knows; of those it has forgotten, all is
        removed.
        """
        return await asyncio.to_thread(self._carried)

    async def settle(self, homes: Collection[IPNetwork]) -> None:
        """Make exactly these neighbourhoods known as places where tunnels are at home."""
        await asyncio.to_thread(self._settle, homes)

    def close(self) -> None:
        """Close the socket."""
        self._link.close()

    def _admit(self, source: Source, server: Source, place: IPNetwork) -> None:
        suffix, key = door.suffix_of(source[0].version), pack(source)
        add = {
            f"flows{suffix}": {key: pack(server)},
            f"known{suffix}": {key: b""},
            f"homes{suffix}": {place.network_address.packed: b""},
        }
        try:
            self._change({}, add)
        except OSError:  # this address and port led to another server before
            self._forget(source)
            self._change({}, add)

    def _forget(self, source: Source) -> None:
        """One by one: where one of them is gone already, the other still goes."""
        suffix, key = door.suffix_of(source[0].version), pack(source)
        for name in (f"known{suffix}", f"flows{suffix}"):
            with contextlib.suppress(FileNotFoundError):
                self._change({name: {key: b""}}, {})

    def _carried(self) -> dict[Source, Source]:
        found: dict[Source, Source] = {}
        for suffix in _SUFFIXES:
            known, flows = self._read(f"known{suffix}"), self._read(f"flows{suffix}")
            silent = {key: b"" for key in flows if key not in known}
            if silent:
                self._change({f"flows{suffix}": silent}, {})
            found |= {unpack(key): unpack(flows[key]) for key in flows if key in known}
        return found

    def _settle(self, homes: Collection[IPNetwork]) -> None:
        for version, suffix in zip(_VERSIONS, _SUFFIXES, strict=True):
            name = f"homes{suffix}"
            wanted = {place.network_address.packed: b"" for place in homes if place.version == version}
            there = self._read(name)
            gone = {key: b"" for key in there if key not in wanted}
            new = {key: b"" for key in wanted if key not in there}
            if gone or new:
                self._change({name: gone}, {name: new})

    def _read(self, name: str) -> dict[bytes, bytes]:
        """Nothing, where no policy is loaded yet."""
        try:
            with self._link.use() as link:
                return nft_elements.read(link, name)
        except FileNotFoundError:
            return {}

    def _change(self, delete: Elements, add: Elements) -> None:
        with self._link.use() as link, GENERATIONS.ours() as change:
            change.transactions = nft_elements.change(link, delete, add)


def pack(end: Source) -> bytes:
    """Address and port as nftables concatenates them: each padded to four octets."""
    return end[0].packed + end[1].to_bytes(2, "big") + b"\0\0"


def unpack(key: bytes) -> Source:
    """The address and port in a concatenation."""
    return ipaddress.ip_address(key[:-4]), int.from_bytes(key[-4:-2], "big")
