"""The kernel's table of connections: how full it is, whose they are; machines refused, connections ended.

linux/netfilter/nfnetlink_conntrack.h. Tens of thousands are read at once, so of each no more is looked at
than whose it is, where the kernel puts it (net/netfilter/nf_conntrack_netlink.c, ctnetlink_fill_info): the
original direction, the reply's, in each the addresses before all else and the source first.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

from causeway_agent.backends.filter import nfnetlink
from causeway_agent.backends.filter.nfnetlink import Nfnetlink
from causeway_agent.backends.host.proc_file import ProcFile
from causeway_agent.engine.ports import ConnectionTable
from causeway_agent.errors import BackendError
from causeway_agent.plan.filter import element, shares
from causeway_agent.plan.filter.skeleton import TABLE
from causeway_agent.plan.steer.shares import Held, Holder
from causeway_wire.types import IPNetwork

_FILES: Final = (
    Path("/proc/sys/net/netfilter/nf_conntrack_count"),
    Path("/proc/sys/net/netfilter/nf_conntrack_max"),
    Path("/proc/net/stat/nf_conntrack"),
)
_READING: Final = "read the table of connections"
_REFUSED: Final = b"drop"
"""Column of the statistics: connections that found no room."""

_GET, _DELETE = 1 << 8 | 1, 1 << 8 | 2
_ORIGINAL, _MARK, _ID, _ZONE = 1, 8, 12, 18
_LENGTH = struct.Struct("=H")
_HEADER = 4
"""Octets before what is in an attribute."""
_IPV4 = 4

_Key = tuple[str, int | bytes]
"""Device and mark, or address. nft loads octets of a packet as they are: the mark is a number of this
machine's byte order.
"""


class Nft(Protocol):
    """What carries out nft commands."""

    async def run(self, commands: str) -> str:
        """Run them as one transaction; raises BackendError."""


class KernelConnections:
    """Implements `engine.ports.Connections` for the network namespace of this process."""

    def __init__(self, nft: Nft, *, files: tuple[Path, Path, Path] = _FILES) -> None:
        """`files`: how many there are, how many there may be, and the statistics."""
        self._nft = nft
        self._files = files
        self._open: tuple[ProcFile, ...] = ()

    async def table(self) -> ConnectionTable:
        """Without room where nothing is followed. Raises BackendError."""
        try:
            return self._table()
        except (OSError, ValueError) as error:
            self._close()
            if isinstance(error, FileNotFoundError):
                return ConnectionTable(0, 0, 0)
            raise BackendError("read how many connections there are", str(error)) from error

    async def aclose(self) -> None:
        """Close what stays open between two looks."""
        self._close()

    async def census(self, networks: Mapping[IPNetwork, str]) -> Mapping[Holder, Held]:
        return await nfnetlink.asked(lambda link: _census(link, networks), doing=_READING)

    async def end(self, excess: Mapping[Holder, int], networks: Mapping[IPNetwork, str]) -> int:
        return await nfnetlink.asked(lambda link: _end(link, excess, networks), doing=_READING)

    async def refuse(self, holders: Collection[Holder]) -> None:
        marks = [str(_number(each.mac)) for each in holders if each.mac is not None]
        addresses = [each.address for each in holders if each.address is not None]
        filled = {
            shares.OPENERS: marks,
            **{f"{shares.OPENERS}{v}": [str(a) for a in addresses if a.version == v] for v in (4, 6)},
        }
        commands = (element.refilled(f"inet {TABLE} {name}", each) for name, each in filled.items())
        await self._nft.run("".join(commands))

    def _table(self) -> ConnectionTable:
        """Asked each second, all day: the files stay open."""
        if not self._open:
            with contextlib.ExitStack() as stack:
                opened = tuple(stack.enter_context(ProcFile(path)) for path in self._files)
                stack.pop_all()
            self._open = opened
        entries, limit, statistics = (file.read() for file in self._open)
        head, *rows = statistics.splitlines()
        column = head.split().index(_REFUSED)
        return ConnectionTable(int(entries), int(limit), sum(int(row.split()[column], 16) for row in rows))

    def _close(self) -> None:
        for file in self._open:
            file.close()
        self._open = ()


def _census(link: Nfnetlink, networks: Mapping[IPNetwork, str]) -> dict[Holder, Held]:
    numbers: Counter[_Key] = Counter()
    seen: dict[_Key, bytes] = {}
    for key, source, _ in _entries(link, networks):
        numbers[key] += 1
        seen[key] = source
    return {_holder(key): Held(numbers[key], ipaddress.ip_address(seen[key])) for key in numbers}


def _end(link: Nfnetlink, excess: Mapping[Holder, int], networks: Mapping[IPNetwork, str]) -> int:
    left = {_key(holder): number for holder, number in excess.items()}
    condemned = []
    for key, _, body in _entries(link, networks):
        if left.get(key, 0) > 0:
            left[key] -= 1
            condemned.append(_identity(body))
    ended = 0
    for family, identity in condemned:
        with contextlib.suppress(FileNotFoundError):  # it ended by itself
            link.request(_DELETE, nfnetlink.generic(family) + identity)
            ended += 1
    return ended


def _entries(link: Nfnetlink, networks: Mapping[IPNetwork, str]) -> Iterator[tuple[_Key, bytes, memoryview]]:
    """Whose it is, an address of theirs, and the whole entry, of each connection of one of the networks."""
    devices = _Devices(networks)
    for body in link.dump(_GET, nfnetlink.generic(socket.AF_UNSPEC)):
        opener, reply = _source(body, 0)
        if (device := devices.of(opener)) is not None:
            yield (device, _mark(body, reply)), opener, body
            continue
        taker, _ = _source(body, reply)
        if (device := devices.of(taker)) is not None:
            yield (device, taker), taker, body


def _source(body: memoryview, offset: int) -> tuple[bytes, int]:
    """The source of the direction that begins at an offset, and where the next one begins."""
    (length,) = _LENGTH.unpack_from(body, offset)
    at = offset + 2 * _HEADER
    (size,) = _LENGTH.unpack_from(body, at)
    return bytes(body[at + _HEADER : at + size]), offset + ((length + 3) & ~3)


def _mark(body: memoryview, offset: int) -> int:
    for kind, content in nfnetlink.attributes(body[offset:]):
        if kind == _MARK:
            return int.from_bytes(content, "big")
    return 0


def _identity(body: memoryview) -> tuple[int, bytes]:
    """Address family, and what names the connection."""
    source, _ = _source(body, 0)
    found = dict(nfnetlink.attributes(body))
    named = nfnetlink.nested(_ORIGINAL, bytes(found[_ORIGINAL]))
    named += b"".join(nfnetlink.attribute(kind, bytes(found[kind])) for kind in (_ID, _ZONE) if kind in found)
    return socket.AF_INET if len(source) == _IPV4 else socket.AF_INET6, named


def _holder(key: _Key) -> Holder:
    device, name = key
    if isinstance(name, int):
        return Holder(device, mac=name.to_bytes(4, sys.byteorder))
    return Holder(device, address=ipaddress.ip_address(name))


def _key(holder: Holder) -> _Key:
    if holder.address is not None:
        return holder.device, holder.address.packed
    return holder.device, _number(holder.mac or b"")


def _number(mac: bytes) -> int:
    return int.from_bytes(mac, sys.byteorder)


class _Devices:
    """The device of the network that an address is of; each address is looked for once."""

    def __init__(self, networks: Mapping[IPNetwork, str]) -> None:
        self._known: dict[bytes, str | None] = {}
        self._by_length: dict[tuple[int, int], dict[int, str]] = {}
        for network, device in networks.items():
            shift = network.max_prefixlen - network.prefixlen
            found = self._by_length.setdefault((network.max_prefixlen // 8, shift), {})
            found[int(network.network_address) >> shift] = device

    def of(self, address: bytes) -> str | None:
        try:
            return self._known[address]
        except KeyError:
            number = int.from_bytes(address, "big")
            found = (
                devices.get(number >> shift)
                for (octets, shift), devices in self._by_length.items()
                if octets == len(address)
            )
            self._known[address] = device = next((each for each in found if each is not None), None)
            return device
