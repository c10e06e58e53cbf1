"""Frames to flows."""

from __future__ import annotations

import ipaddress
import struct

from causeway_lab.world import capture

_MACS = bytes(12)
_A4, _B4 = ipaddress.IPv4Address("192.0.2.1"), ipaddress.IPv4Address("192.0.2.2")
_A6, _B6 = ipaddress.IPv6Address("2001:db8::1"), ipaddress.IPv6Address("2001:db8::2")


def _ipv4(protocol: int, body: bytes, *, offset: int = 0) -> bytes:
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, offset, 64, protocol, 0)
    return _MACS + b"\x08\x00" + header + _A4.packed + _B4.packed + body


def _ipv6(protocol: int, body: bytes) -> bytes:
    header = struct.pack("!IHBB", 6 << 28, len(body), protocol, 64)
    return _MACS + b"\x86\xdd" + header + _A6.packed + _B6.packed + body


def test_udp_and_tcp_have_ports() -> None:
    ports = struct.pack("!HH", 40000, 6180)
    assert capture.parse(_ipv4(17, ports)) == capture.Flow("udp", _A4, _B4, 40000, 6180)
    assert capture.parse(_ipv6(6, ports)) == capture.Flow("tcp", _A6, _B6, 40000, 6180)


def test_a_later_fragment_has_no_ports() -> None:
    assert capture.parse(_ipv4(17, b"\xff" * 8, offset=185)) == capture.Flow("udp", _A4, _B4)
    later = struct.pack("!BBHI", 17, 0, 1448, 1)
    assert capture.parse(_ipv6(44, later + b"\xff" * 8)) == capture.Flow("udp", _A6, _B6)


def test_address_resolution_is_housekeeping_and_an_echo_is_not() -> None:
    assert capture.parse(_MACS + b"\x08\x06" + bytes(28)).housekeeping
    assert capture.parse(_ipv6(58, bytes([135]) + bytes(23))).housekeeping
    assert not capture.parse(_ipv6(58, bytes([128]) + bytes(7))).housekeeping


def test_besides_names_what_is_not_on_the_port() -> None:
    tunnel = capture.Flow("udp", _A4, _B4, 40000, 6180)
    back = capture.Flow("udp", _B4, _A4, 6180, 40000)
    leak = capture.Flow("icmp", _A4, _B4)
    seen = capture.Captured(flows={tunnel: 3, back: 2, leak: 1, capture.Flow("arp"): 4}, marked={}, dropped=0)
    assert seen.besides(6180) == {leak: 1}
    assert seen.packets == 10
