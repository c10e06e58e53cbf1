"""Datagrams built by hand carry right checksums."""

from __future__ import annotations

import ipaddress
import struct

import pytest

from causeway_agent.backends.kernel.injection import datagram


def ones_sum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(total)


@pytest.mark.parametrize("payload", [b"", b"odd", b"even", bytes(range(256)) * 5])
@pytest.mark.parametrize(
    ("source", "target"), [("192.0.2.1", "198.51.100.1"), ("2001:db8::1", "2001:db8::2")]
)
def test_header_and_datagram_sum_to_ones(source: str, target: str, payload: bytes) -> None:
    ends = (ipaddress.ip_address(source), 5000), (ipaddress.ip_address(target), 6180)
    packet = datagram(payload, *ends)
    head = 20 if ends[0][0].version == 4 else 40
    udp = packet[head:]
    pseudo = ends[0][0].packed + ends[1][0].packed + struct.pack("!II", len(udp), 17)
    assert ones_sum(pseudo + udp) == 0xFFFF
    if head == 20:
        assert ones_sum(packet[:20]) == 0xFFFF
        assert struct.unpack("!H", packet[2:4])[0] == len(packet)
    assert struct.unpack("!HHH", udp[:6]) == (5000, 6180, len(udp))
    assert udp[8:] == payload
