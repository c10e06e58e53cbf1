"""What public rules refuse is refused however it is wrapped: in fragments, behind extension headers, in other
protocols. Each shape has its control: the same packet to a published port arrives.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterator
from ipaddress import ip_address

import pytest

from causeway_agent.backends.segment import frames
from tests import documents
from tests.full_site import (
    INTERNET4,
    INTERNET6,
    PUBLIC4,
    PUBLIC6,
    VM4,
    VM6,
    apply,
    document,
    publish,
    standing,
)
from tests.wired import UPLINK, VLAN, python, run, within

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

TCP, UDP = 6, 17
ENDS = {4: (INTERNET4, PUBLIC4, VM4), 6: (INTERNET6, PUBLIC6, VM6)}
"""Who knocks, at which public address, and whose that is."""
OTHERS = {"IPv6 in IPv4": 41, "GRE": 47, "SCTP": 132, "UDP-Lite": 136}
_SEND = """
    import socket, sys, time
    six = sys.argv[1] == "6"
    sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    if six:
        sock.setsockopt(41, 36, 1)  # IPV6_HDRINCL
    for text in sys.argv[3:]:
        sock.sendto(bytes.fromhex(text), (sys.argv[2], 0))
    time.sleep(0.1)
"""
_NUMBERS = itertools.count(7)
Shape = Callable[[bytes], list[tuple[int, bytes]]]
"""From a segment to what follows the IP header of each packet, as in IPv6, its protocol first."""


def whole(segment: bytes) -> list[tuple[int, bytes]]:
    return [(TCP, segment)]


def tiny_fragments(segment: bytes) -> list[tuple[int, bytes]]:
    """The first holds the ports and little else."""
    return _fragments(segment, 8)


def fragments(segment: bytes) -> list[tuple[int, bytes]]:
    """The first holds the header: smaller ones IPv6 does not know (RFC 8200, 4.5)."""
    return _fragments(segment, 24)


def _fragments(segment: bytes, size: int) -> list[tuple[int, bytes]]:
    number = next(_NUMBERS)
    parts = [(offset, segment[offset : offset + size]) for offset in range(0, len(segment), size)]
    return [
        (44, struct.pack("!BBHI", TCP, 0, offset | (offset + size < len(segment)), number) + part)
        for offset, part in parts
    ]


def atomic(segment: bytes) -> list[tuple[int, bytes]]:
    """A fragment that is all of it (RFC 6946)."""
    return [(44, struct.pack("!BBHI", TCP, 0, 0, 7) + segment)]


def behind_options(segment: bytes) -> list[tuple[int, bytes]]:
    padding = bytes([1, 4, 0, 0, 0, 0])
    return [(0, bytes([60, 0]) + padding + bytes([TCP, 0]) + padding + segment)]


SHAPES: dict[int, tuple[Shape, ...]] = {
    4: (whole, tiny_fragments, fragments),
    6: (whole, fragments, atomic, behind_options),
}


@pytest.fixture(scope="module")
def site() -> Iterator[None]:
    """Ports 80 and 22 are in the sets of public rules, the latter by somebody's mistake."""
    with standing():
        apply(document(documents.full("net-0")))
        for version, (client, public, vm) in ENDS.items():
            for protocol in ("tcp", "udp"):
                publish(public, 80, vm, 80, protocol=protocol)
            publish(public, 22, vm, 22)
            family = "ip" if version == 4 else "ip6"
            hook = "type filter hook prerouting priority -500"
            chain = f"chain seen {{\n{hook};\n{family} saddr {client} counter\n}}"
            rules = f"table {family} watch {{\n{chain}\n}}\n"
            run("ip", "netns", "exec", VLAN, "nft", "-f", "-", text=rules)
        yield


def arrived(version: int) -> int:
    """How many packets of the client have come to the replica."""
    listed = within(VLAN, "nft", "list", "chain", "ip" if version == 4 else "ip6", "watch", "seen")
    return int(listed.split("packets ")[1].split()[0])


def comes(version: int, *packets: bytes) -> bool:
    before = arrived(version)
    python(UPLINK, _SEND, str(version), ENDS[version][1], *(packet.hex() for packet in packets))
    return arrived(version) > before


def packet(version: int, protocol: int, body: bytes) -> bytes:
    source, target = (ip_address(each).packed for each in ENDS[version][:2])
    if version == 6:
        return struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + source + target + body
    field, number = 0, 0
    if protocol == 44:
        protocol, _, octets, number = struct.unpack("!BBHI", body[:8])
        field, body = octets >> 3 | (octets & 1) << 13, body[8:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), number or 9, field, 64, protocol, 0)
    return head + source + target + body


def knock(version: int, sender: int, port: int) -> bytes:
    """A SYN with data."""
    source, target = (ip_address(each).packed for each in ENDS[version][:2])
    segment = struct.pack("!HHIIBBHHH", sender, port, 1, 0, 5 << 4, 2, 65535, 0, 0) + bytes(12)
    total = frames.checksum(source + target + struct.pack("!II", len(segment), TCP) + segment)
    return segment[:16] + struct.pack("!H", total) + segment[18:]


@pytest.mark.parametrize(
    ("version", "shape"), [(version, shape) for version, shapes in SHAPES.items() for shape in shapes]
)
def test_port_22_is_refused_in_every_shape(site: None, version: int, shape: Shape) -> None:
    sender = 4000 + 10 * SHAPES[version].index(shape)

    def made(port: int) -> list[bytes]:
        return [packet(version, *each) for each in shape(knock(version, sender, port))]

    assert comes(version, *made(80)), "the control"
    assert not comes(version, *made(22))


@pytest.mark.parametrize("name", OTHERS)
def test_other_protocols_reach_nobody_at_a_public_address(site: None, name: str) -> None:
    datagram = struct.pack("!HHHH", 5000, 80, 16, 0) + bytes(8)
    assert comes(4, packet(4, UDP, datagram)), "the control"
    assert not comes(4, packet(4, OTHERS[name], datagram))
