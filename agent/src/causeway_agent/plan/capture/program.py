"""Which packets a capture wants, as a program for the kernel: classic BPF (linux/filter.h, bpf(4)).

The kernel runs it on every packet of the device, so that a busy line costs only what was asked for. It looks
behind one 802.1Q tag; behind IPv6 extension headers it cannot (the language has no loops).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from causeway_wire.types import IPAddress, Port

WHOLE = 0x40000
"""Octets kept of each packet: more than any has."""

_ETHERNET, _TAG = 14, 4
_TAGS = (0x8100, 0x88A8)
_ARP, _IPV4, _IPV6 = 0x0806, 0x0800, 0x86DD
_TCP, _UDP, _ICMP, _ICMPV6 = 6, 17, 1, 58
_SOLICITATION, _ADVERTISEMENT = 135, 136
_FRAGMENT_OFFSET = 0x1FFF

_WORD, _HALF, _OCTET, _HALF_BEHIND = 0x20, 0x28, 0x30, 0x48
_HEADER_LENGTH = 0xB1
"""Index register: four times the low half of an octet (the IPv4 header's length)."""
_EQUAL, _ANY_BIT, _SHIFT_RIGHT, _RETURN = 0x15, 0x45, 0x74, 0x06
_FARTHEST = 255
"""A conditional jump's reach."""
_INSTRUCTION = struct.Struct("HBBI")

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand."""


class LinkLayer(StrEnum):
    """What a device's packets begin with."""

    ETHERNET = "ethernet"
    RAW = "raw"
    """The IP header: tun devices."""


class CaptureProtocol(StrEnum):
    """Protocols that can be asked for by name."""

    ARP = "arp"
    ICMP = "icmp"
    """Of both IP versions, neighbour discovery included."""
    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The packets wanted: all conditions hold, None asks nothing. Either end may be the host or the port."""

    host: IPAddress | None = None
    port: Port | None = None
    protocol: CaptureProtocol | None = None


def program(wanted: Wanted, link: LinkLayer) -> tuple[Instruction, ...]:
    """The program for the devices of this link layer; empty when everything is wanted."""
    if wanted == Wanted():
        return ()
    code = _Assembly()
    if link is LinkLayer.RAW:
        code.load(_OCTET, 0)
        code.add(_SHIFT_RIGHT, 4)
        _families(code, wanted, 0, kinds=(("four", 4), ("six", 6)))
        return code.assembled()
    code.load(_HALF, _ETHERNET - 2)
    for tag in _TAGS:
        code.jump(_EQUAL, tag, then="tagged")
    kinds = (("arp", _ARP), ("four", _IPV4), ("six", _IPV6))
    _families(code, wanted, _ETHERNET, kinds=kinds)
    code.label("tagged")
    code.load(_HALF, _ETHERNET - 2 + _TAG)
    _families(code, wanted, _ETHERNET + _TAG, kinds=kinds)
    return code.assembled()


def encoded(instructions: Sequence[Instruction]) -> bytes:
    """As the kernel takes it: an array of `struct sock_filter`."""
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in instructions)


class _Assembly:
    """Instructions with named jumps; a name no label has is the next instruction."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, int, str, str]] = []
        self._labels: dict[str, int] = {}

    def add(self, code: int, operand: int) -> None:
        self._lines.append((code, operand, "", ""))

    load = add

    def jump(self, code: int, operand: int, *, then: str = "", otherwise: str = "") -> None:
        self._lines.append((code, operand, then, otherwise))

    def label(self, name: str) -> None:
        self._labels[name] = len(self._lines)

    def assembled(self) -> tuple[Instruction, ...]:
        return tuple(
            (code, self._distance(index, then), self._distance(index, otherwise), operand)
            for index, (code, operand, then, otherwise) in enumerate(self._lines)
        )

    def _distance(self, index: int, label: str) -> int:
        distance = self._labels[label] - index - 1 if label else 0
        if not 0 <= distance <= _FARTHEST:
            raise ValueError(f"the jump to {label} is {distance} instructions long")
        return distance


def _families(code: _Assembly, wanted: Wanted, start: int, *, kinds: Sequence[tuple[str, int]]) -> None:
    """Branch by what was loaded; `start` is where the headers inside begin, and makes labels unique."""
    yes, no = f"yes{start}", f"no{start}"
    for name, value in kinds[:-1]:
        code.jump(_EQUAL, value, then=f"{name}{start}")
    last, value = kinds[-1]
    code.jump(_EQUAL, value, then=f"{last}{start}", otherwise=no)
    for name, _ in kinds:
        code.label(f"{name}{start}")
        {"arp": _arp, "four": _four, "six": _six}[name](code, wanted, start, yes, no)
    code.label(yes)
    code.add(_RETURN, WHOLE)
    code.label(no)
    code.add(_RETURN, 0)


def _always(code: _Assembly, label: str) -> None:
    code.jump(_EQUAL, 0, then=label, otherwise=label)


def _arp(code: _Assembly, wanted: Wanted, start: int, yes: str, no: str) -> None:
    wrong = wanted.protocol not in {None, CaptureProtocol.ARP} or wanted.port is not None
    if wrong or (wanted.host is not None and wanted.host.version != 4):  # noqa: PLR2004 - the IP version
        _always(code, no)
    elif wanted.host is None:
        _always(code, yes)
    else:
        for offset in (14, 24):  # sender and target protocol address, RFC 826
            code.load(_WORD, start + offset)
            code.jump(_EQUAL, int(wanted.host), then=yes)
        _always(code, no)


def _four(code: _Assembly, wanted: Wanted, start: int, yes: str, no: str) -> None:
    numbers = _numbers(wanted, _ICMP)
    if numbers == () or (wanted.host is not None and wanted.host.version != 4):  # noqa: PLR2004
        _always(code, no)
        return
    if wanted.host is not None:
        for offset in (12, 16):
            code.load(_WORD, start + offset)
            code.jump(_EQUAL, int(wanted.host), then=f"host{start}")
        _always(code, no)
        code.label(f"host{start}")
    _protocol(code, numbers, start + 9, f"four-protocol{start}", no)
    if wanted.port is None:
        _always(code, yes)
        return
    code.load(_HALF, start + 6)
    code.jump(_ANY_BIT, _FRAGMENT_OFFSET, then=no)
    code.load(_HEADER_LENGTH, start)
    for offset in (0, 2):
        code.load(_HALF_BEHIND, start + offset)
        code.jump(_EQUAL, wanted.port, then=yes)
    _always(code, no)


def _six(code: _Assembly, wanted: Wanted, start: int, yes: str, no: str) -> None:
    numbers = _numbers(wanted, _ICMPV6)
    if numbers == () or (wanted.host is not None and wanted.host.version != 6):  # noqa: PLR2004
        _always(code, no)
        return
    _protocol(code, numbers, start + 6, f"six-protocol{start}", no)
    if wanted.host is not None:
        _six_host(code, wanted.host, start, no, discovery=wanted.port is None)
    if wanted.port is None:
        _always(code, yes)
        return
    for offset in (40, 42):
        code.load(_HALF, start + offset)
        code.jump(_EQUAL, wanted.port, then=yes)
    _always(code, no)


def _six_host(code: _Assembly, host: IPAddress, start: int, no: str, *, discovery: bool) -> None:
    """Source, destination, or the address that neighbour discovery speaks about (RFC 4861, 4.3 and 4.4)."""
    found = f"six-host{start}"
    ends = [(8, "source"), (24, "destination"), *([(48, "target")] if discovery else [])]
    for offset, name in ends:
        beside = f"not-{name}{start}"
        if name == "target":
            code.load(_OCTET, start + 6)
            code.jump(_EQUAL, _ICMPV6, otherwise=no)
            code.load(_OCTET, start + 40)
            code.jump(_EQUAL, _SOLICITATION, then=f"discovery{start}")
            code.jump(_EQUAL, _ADVERTISEMENT, otherwise=no)
            code.label(f"discovery{start}")
        for index in range(4):
            code.load(_WORD, start + offset + 4 * index)
            word = int.from_bytes(host.packed[4 * index : 4 * index + 4], "big")
            code.jump(_EQUAL, word, otherwise=beside, then=found if index == 3 else "")  # noqa: PLR2004
        code.label(beside)
    _always(code, no)
    code.label(found)


def _protocol(code: _Assembly, numbers: tuple[int, ...] | None, offset: int, found: str, no: str) -> None:
    if numbers is None:
        return
    code.load(_OCTET, offset)
    for number in numbers:
        code.jump(_EQUAL, number, then=found)
    _always(code, no)
    code.label(found)


def _numbers(wanted: Wanted, icmp: int) -> tuple[int, ...] | None:
    """IP protocol numbers wanted; None: any, empty: none."""
    match wanted.protocol:
        case None:
            return (_TCP, _UDP) if wanted.port is not None else None
        case CaptureProtocol.ARP:
            return ()
        case CaptureProtocol.ICMP:
            return () if wanted.port is not None else (icmp,)
        case CaptureProtocol.TCP:
            return (_TCP,)
        case CaptureProtocol.UDP:
            return (_UDP,)
