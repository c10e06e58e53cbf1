"""Socket filters (classic BPF, linux/filter.h) for frames that claim, use or probe for addresses.

A production network is full of ARP; only what concerns the addresses looked for may wake the agent. The
addresses become at most `RANGES` ranges, so that the program stays short; what lies in a gap is sorted out
later. Of IPv6 addresses the last 32 bits are compared.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable
from typing import Final

from causeway_wire.types import IPAddress

RANGES: Final = 64
"""An offset within a program is an octet: with two instructions a range, these are safe."""

_WORD, _HALF, _OCTET = 0x20, 0x28, 0x30
_JUMP_EQUAL, _JUMP_GREATER, _JUMP_GREATER_EQUAL, _ALWAYS = 0x15, 0x25, 0x35, 0x05
_RETURN = 0x06
_INSTRUCTION = struct.Struct("HBBI")
_WHOLE_FRAME = 0xFFFF
_ARP, _IPV6 = 0x0806, 0x86DD
_ICMPV6, _SOLICITATION, _ADVERTISEMENT = 58, 135, 136
_ETHERTYPE_AT = 12
_SENDER_AT, _TARGET_AT = 14 + 14, 14 + 24
_NEXT_HEADER_AT, _SOURCE_AT, _SOURCE_END_AT = 14 + 6, 14 + 8, 14 + 20
_TYPE_AT, _WANTED_END_AT = 14 + 40, 14 + 40 + 8 + 12

Program = tuple[bytes, ...]


def ranges(addresses: Iterable[IPAddress], *, most: int = RANGES) -> tuple[tuple[int, int], ...]:
    """First and last of at most so many ranges that hold the last 32 bits of all addresses; the widest gaps
    between addresses are left out.
    """
    numbers = sorted({int(address) & 0xFFFFFFFF for address in addresses})
    gaps = sorted(itertools.pairwise(numbers), key=lambda pair: pair[0] - pair[1])
    cuts = sorted(gaps[: most - 1])
    if not numbers:
        return ()
    firsts = (numbers[0], *(after for _, after in cuts))
    lasts = (*(before for before, _ in cuts), numbers[-1])
    return tuple(zip(firsts, lasts, strict=True))


def claims4(addresses: Iterable[IPAddress]) -> Program:
    """ARP frames whose sender is one of the addresses, and probes for one: their sender is 0.0.0.0."""
    return (
        *_only(_HALF, _ETHERTYPE_AT, _ARP),
        _step(_WORD, _SENDER_AT),
        _step(_JUMP_EQUAL, 0, yes=0, no=1),
        _step(_WORD, _TARGET_AT),
        *_within(ranges(addresses)),
    )


def claims6(addresses: Iterable[IPAddress]) -> Program:
    """Neighbour advertisements for one of the addresses, solicitations from one, and probes for one: their
    source is `::`.
    """
    wanted = _within(ranges(addresses))
    return (
        *_only(_HALF, _ETHERTYPE_AT, _IPV6),
        *_only(_OCTET, _NEXT_HEADER_AT, _ICMPV6),
        _step(_OCTET, _TYPE_AT),
        _step(_JUMP_EQUAL, _ADVERTISEMENT, yes=6, no=0),
        _step(_JUMP_EQUAL, _SOLICITATION, yes=1, no=0),
        _step(_RETURN, 0),
        _step(_WORD, _SOURCE_AT),  # no address that is ever used starts with 32 zero bits
        _step(_JUMP_EQUAL, 0, yes=2, no=0),
        _step(_WORD, _SOURCE_END_AT),
        _step(_ALWAYS, 1),
        _step(_WORD, _WANTED_END_AT),
        *wanted,
    )


def _within(listed: tuple[tuple[int, int], ...]) -> Program:
    """Accept when the loaded word is in one of the ranges."""
    steps: list[bytes] = []
    for index, (first, last) in enumerate(listed):
        left = 2 * (len(listed) - index - 1)
        steps.append(_step(_JUMP_GREATER_EQUAL, first, yes=0, no=1))
        steps.append(_step(_JUMP_GREATER, last, yes=0, no=left + 1))
    return (*steps, _step(_RETURN, 0), _step(_RETURN, _WHOLE_FRAME))


def _only(load: int, offset: int, value: int) -> Program:
    return (_step(load, offset), _step(_JUMP_EQUAL, value, yes=1, no=0), _step(_RETURN, 0))


def _step(code: int, operand: int, *, yes: int = 0, no: int = 0) -> bytes:
    return _INSTRUCTION.pack(code, yes, no, operand)
