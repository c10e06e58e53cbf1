"""One line of text per packet: addresses, protocol, ports, what it wants. Never raises, whatever arrives."""

from __future__ import annotations

import ipaddress
import struct
from datetime import UTC, datetime

from causeway_agent.plan.capture.program import LinkLayer

_ETHERNET = 14
_TAG = 4
_TAGS = (0x8100, 0x88A8)
_ARP, _IPV4, _IPV6 = 0x0806, 0x0800, 0x86DD
_TCP, _UDP, _ICMP, _ICMPV6 = 6, 17, 1, 58
_HEADER6 = 40
_FRAGMENT = 44
_EXTENSIONS = frozenset({0, 43, 60, _FRAGMENT})
"""Hop-by-hop, routing, destination options, fragment (RFC 8200, 4)."""
_FLAGS = "FSRPAUEW"
"""TCP flags from the lowest bit up (RFC 9293, 3.1)."""
_ECHOES = {(_ICMP, 8): "echo request", (_ICMP, 0): "echo reply"}
_ECHOES |= {(_ICMPV6, 128): "echo request", (_ICMPV6, 129): "echo reply"}
_ERRORS = {(_ICMP, 3): "unreachable", (_ICMP, 11): "time exceeded", (_ICMP, 12): "parameter problem"}
_ERRORS |= {
    (_ICMPV6, 1): "unreachable",
    (_ICMPV6, 2): "packet too big",
    (_ICMPV6, 3): "time exceeded",
    (_ICMPV6, 4): "parameter problem",
}
_UNREACHABLE = {0: "network", 1: "host", 2: "protocol", 3: "port", 4: "needs fragmentation", 13: "prohibited"}
_UNREACHABLE6 = {0: "no route", 1: "prohibited", 3: "address", 4: "port"}
_NEEDS_FRAGMENTATION = 4
_DISCOVERY = {133: "who is a router", 134: "router here", 137: "redirect"}
_SOLICITATION, _ADVERTISEMENT = 135, 136


def line(link: LinkLayer, data: bytes, *, time: int, length: int, outgoing: bool) -> str:
    """`12:00:01.000001 in  192.0.2.1:40000 > 192.0.2.2:443 tcp [S] 60 bytes`; `time` in ns since 1970."""
    when = datetime.fromtimestamp(time // 10**9, UTC)
    way = "out" if outgoing else "in "
    return f"{when:%H:%M:%S}.{time % 10**9 // 1000:06d} {way} {summary(link, data)} {length} bytes"


def summary(link: LinkLayer, data: bytes) -> str:
    """What the packet is."""
    try:
        if link is LinkLayer.RAW:
            return _four(data) if data[0] >> 4 == 4 else _six(data)  # noqa: PLR2004 - the IP version
        return _ethernet(data)
    except (struct.error, IndexError, ValueError):
        return "a packet too short for its headers"


def _ethernet(data: bytes) -> str:
    kind, rest, tag = _half(data, 12), data[_ETHERNET:], ""
    if kind in _TAGS:
        tag, kind, rest = f"vlan {_half(rest, 0) & 0xFFF} ", _half(rest, 2), rest[_TAG:]
    if kind == _ARP:
        return tag + _arp(rest)
    if kind == _IPV4:
        return tag + _four(rest)
    if kind == _IPV6:
        return tag + _six(rest)
    return f"{tag}{_mac(data, 6)} > {_mac(data, 0)} type {kind:#06x}"


def _arp(data: bytes) -> str:
    operation = _half(data, 6)
    sender, target = ipaddress.IPv4Address(data[14:18]), ipaddress.IPv4Address(data[24:28])
    if operation == 1:
        return f"arp who has {target}? tell {sender} ({_mac(data, 8)})"
    return f"arp {sender} is at {_mac(data, 8)}"


def _four(data: bytes) -> str:
    source, destination = ipaddress.IPv4Address(data[12:16]), ipaddress.IPv4Address(data[16:20])
    number, offset = data[9], (_half(data, 6) & 0x1FFF) * 8
    if offset:
        return f"{source} > {destination} protocol {number} fragment at {offset}"
    return _upper(str(source), str(destination), number, data[4 * (data[0] & 0xF) :])


def _six(data: bytes) -> str:
    source, destination = ipaddress.IPv6Address(data[8:24]), ipaddress.IPv6Address(data[24:40])
    number, rest = data[6], data[_HEADER6:]
    while number in _EXTENSIONS:
        offset = _half(rest, 2) & 0xFFF8 if number == _FRAGMENT else 0
        if offset:
            return f"{source} > {destination} protocol {rest[0]} fragment at {offset}"
        size = 8 if number == _FRAGMENT else 8 * (rest[1] + 1)
        number, rest = rest[0], rest[size:]
    return _upper(f"[{source}]", f"[{destination}]", number, rest)


def _upper(source: str, destination: str, number: int, data: bytes) -> str:
    """Brackets belong to ports only."""
    if number in {_TCP, _UDP}:
        ends = f"{source}:{_half(data, 0)} > {destination}:{_half(data, 2)}"
        return f"{ends} tcp [{_flags(data[13])}]" if number == _TCP else f"{ends} udp"
    ends = f"{source.strip('[]')} > {destination.strip('[]')}"
    return f"{ends} {_icmp(number, data)}" if number in {_ICMP, _ICMPV6} else f"{ends} protocol {number}"


def _flags(octet: int) -> str:
    return "".join(name for bit, name in enumerate(_FLAGS) if octet >> bit & 1)


def _icmp(number: int, data: bytes) -> str:
    kind, code = data[0], data[1]
    name = "icmp" if number == _ICMP else "icmp6"
    echo = _ECHOES.get((number, kind))
    if echo is not None:
        return f"{name} {echo} {_half(data, 4)} seq {_half(data, 6)}"
    error = _ERRORS.get((number, kind))
    if error is not None:
        return f"{name} {error}{_why(number, kind, code, data)}, about {_about(number, data[8:])}"
    if number == _ICMPV6 and kind in {_SOLICITATION, _ADVERTISEMENT}:
        target = ipaddress.IPv6Address(data[8:24])
        return f"{name} who has {target}?" if kind == _SOLICITATION else f"{name} {target} is here"
    told = _DISCOVERY.get(kind) if number == _ICMPV6 else None
    return f"{name} {told}" if told else f"{name} type {kind} code {code}"


def _why(number: int, kind: int, code: int, data: bytes) -> str:
    if number == _ICMP and kind == 3:  # noqa: PLR2004 - destination unreachable
        size = f", mtu {_half(data, 6)}" if code == _NEEDS_FRAGMENTATION else ""
        return f" ({_UNREACHABLE.get(code, f'code {code}')}{size})"
    if number == _ICMPV6 and kind == 1:
        return f" ({_UNREACHABLE6.get(code, f'code {code}')})"
    if number == _ICMPV6 and kind == 2:  # noqa: PLR2004 - packet too big
        return f" (mtu {_word(data, 4)})"
    return ""


def _about(number: int, data: bytes) -> str:
    """The packet an error quotes (RFC 792, RFC 4443); an error quotes no error, so this ends."""
    if number == _ICMP:
        source, destination = ipaddress.IPv4Address(data[12:16]), ipaddress.IPv4Address(data[16:20])
        return _quoted(str(source), str(destination), data[9], data[4 * (data[0] & 0xF) :])
    source6, destination6 = ipaddress.IPv6Address(data[8:24]), ipaddress.IPv6Address(data[24:40])
    return _quoted(f"[{source6}]", f"[{destination6}]", data[6], data[_HEADER6:])


def _quoted(source: str, destination: str, number: int, data: bytes) -> str:
    if number in {_TCP, _UDP}:
        name = "tcp" if number == _TCP else "udp"
        return f"{source}:{_half(data, 0)} > {destination}:{_half(data, 2)} {name}"
    return f"{source.strip('[]')} > {destination.strip('[]')} protocol {number}"


def _half(data: bytes, offset: int) -> int:
    return int(struct.unpack_from("!H", data, offset)[0])


def _word(data: bytes, offset: int) -> int:
    return int(struct.unpack_from("!I", data, offset)[0])


def _mac(data: bytes, offset: int) -> str:
    octets = data[offset : offset + 6]
    return ":".join(f"{octet:02x}" for octet in octets)
