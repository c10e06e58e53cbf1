"""Established flows of public ports: found in the kernel's connection table and ended.

linux/netfilter/nfnetlink_conntrack.h. The kernel looks for a few ports itself (CTA_FILTER, Linux 5.8); many
are looked for here, in one walk of the table. A kernel that does not filter sends everything: the same code.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from causeway_agent.backends.filter import nfnetlink
from causeway_agent.backends.filter.nfnetlink import Nfnetlink
from causeway_agent.plan.filter import public_elements
from causeway_agent.plan.filter.public_elements import Cuts

ASKED_ONE_BY_ONE: Final = 4
"""Ports that are looked for by the kernel, each in a walk of its own; more than these in one, here."""

_COUNT = Path("/proc/sys/net/netfilter/nf_conntrack_count")

_GET, _DELETE = 1 << 8 | 1, 1 << 8 | 2
_ORIGINAL, _REPLY, _STATUS, _ID, _ZONE, _FILTER = 1, 2, 3, 12, 18, 25
_ADDRESSES, _PROTOCOL = 1, 2
_SOURCES, _DESTINATIONS = (1, 3), (2, 4)
_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_ORIGINAL_FLAGS = 1
_BY_DESTINATION, _BY_PROTOCOL, _BY_DESTINATION_PORT = 1 << 1, 1 << 3, 1 << 5
_TRANSLATED = 1 << 5
"""IPS_DST_NAT."""
_IPV4_OCTETS = 4


@dataclass(frozen=True, slots=True)
class _Tuple:
    """One direction of a flow."""

    source: bytes
    destination: bytes
    protocol: int
    source_port: bytes
    destination_port: bytes


def cut(link: Nfnetlink, cuts: Cuts) -> int:
    """End the flows that may not stay; how many there were. Raises OSError."""
    if _COUNT.exists() and not int(_COUNT.read_text(encoding="ascii")):
        return 0
    ended = 0
    for identity, family in list(_condemned(link, cuts)):
        try:
            link.request(_DELETE, nfnetlink.generic(family) + identity)
        except FileNotFoundError:
            continue  # it ended by itself
        ended += 1
    return ended


def _condemned(link: Nfnetlink, cuts: Cuts) -> Iterator[tuple[bytes, int]]:
    """What names each flow to end, and its address family."""
    if len(cuts) <= ASKED_ONE_BY_ONE:
        for key in cuts:
            family = socket.AF_INET if len(key) == _IPV4_OCTETS + 8 else socket.AF_INET6
            yield from _among(link, family, _question(key), cuts)
        return
    for family, octets in ((socket.AF_INET, 4), (socket.AF_INET6, 16)):
        if any(len(key) == octets + 8 for key in cuts):
            yield from _among(link, family, b"", cuts)


def _among(link: Nfnetlink, family: int, question: bytes, cuts: Cuts) -> Iterator[tuple[bytes, int]]:
    for answer in link.dump(_GET, nfnetlink.generic(family) + question):
        found = dict(nfnetlink.attributes(answer))
        original = _tuple(found[_ORIGINAL])
        key = original.destination + bytes((original.protocol, 0, 0, 0)) + original.destination_port + b"\0\0"
        if key not in cuts or not int.from_bytes(found[_STATUS], "big") & _TRANSLATED:
            continue
        kept, reply = cuts[key], _tuple(found[_REPLY])
        target = reply.source + reply.source_port + b"\0\0"
        if kept is not None and public_elements.permits(kept, original.source, target):
            continue
        identity = nfnetlink.nested(_ORIGINAL, bytes(found[_ORIGINAL]))
        identity += nfnetlink.attribute(_ID, bytes(found[_ID]))
        if _ZONE in found:
            identity += nfnetlink.attribute(_ZONE, bytes(found[_ZONE]))
        yield identity, family


def _question(key: bytes) -> bytes:
    """Only flows opened toward this address, protocol and port."""
    address, protocol, port = key[:-8], key[-8:-7], key[-4:-2]
    kind = _DESTINATIONS[0] if len(address) == _IPV4_OCTETS else _DESTINATIONS[1]
    where = nfnetlink.nested(_ADDRESSES, nfnetlink.attribute(kind, address))
    what = nfnetlink.attribute(_NUMBER, protocol) + nfnetlink.attribute(_DESTINATION_PORT, port)
    flags = (_BY_DESTINATION | _BY_PROTOCOL | _BY_DESTINATION_PORT).to_bytes(4, sys.byteorder)
    return nfnetlink.nested(_ORIGINAL, where + nfnetlink.nested(_PROTOCOL, what)) + nfnetlink.nested(
        _FILTER, nfnetlink.attribute(_ORIGINAL_FLAGS, flags)
    )


def _tuple(data: memoryview) -> _Tuple:
    parts = dict(nfnetlink.attributes(data))
    addresses = dict(nfnetlink.attributes(parts[_ADDRESSES]))
    protocol = dict(nfnetlink.attributes(parts[_PROTOCOL]))
    return _Tuple(
        source=next(bytes(addresses[kind]) for kind in _SOURCES if kind in addresses),
        destination=next(bytes(addresses[kind]) for kind in _DESTINATIONS if kind in addresses),
        protocol=protocol[_NUMBER][0],
        source_port=bytes(protocol.get(_SOURCE_PORT, b"\0\0")),
        destination_port=bytes(protocol.get(_DESTINATION_PORT, b"\0\0")),
    )
