"""What a router does to packets that are too big, and what a translator does to ports: octet by octet."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_lab.world.line import packets
from causeway_lab.world.line.nat import PortTranslator
from causeway_lab.world.line.packets import ETHERNET, Reporter, checksum

SITE, INTERNET = "192.0.2.1", "198.51.100.1"
SITE6, INTERNET6 = "2001:db8::1", "2001:db8:f::1"
OURS = (ipaddress.ip_address("203.0.113.9"), ipaddress.ip_address("2001:db8:9::9"))
MACS = bytes.fromhex("020000000002020000000001")


def udp(payload: bytes, *, version: int = 4, flags: int = 0, ports: tuple[int, int] = (5000, 6180)) -> bytes:
    """A frame from the site to the internet, with right checksums."""
    texts = (SITE, INTERNET) if version == 4 else (SITE6, INTERNET6)
    ends = b"".join(ipaddress.ip_address(text).packed for text in texts)
    length = 8 + len(payload)
    head = struct.pack("!HHH", *ports, length)
    total = checksum(ends + struct.pack("!II", length, 17) + head + b"\0\0" + payload) or 0xFFFF
    datagram = head + struct.pack("!H", total) + payload
    if version == 6:
        return MACS + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, length, 17, 64) + ends + datagram
    ip = struct.pack("!BBHHHBB", 0x45, 0, 20 + length, 77, flags, 64, 17)
    return MACS + b"\x08\x00" + ip + struct.pack("!H", checksum(ip + b"\0\0" + ends)) + ends + datagram


def right(frame: bytes) -> bool:
    """Whether all checksums hold."""
    if packets.is_ipv4(frame):
        ip = frame[ETHERNET : packets.payload_at(frame, ETHERNET)]
        if checksum(ip):
            return False
    at = packets.payload_at(frame, ETHERNET)
    body = frame[at : ETHERNET + packets.length(frame)]
    if packets.protocol(frame) == packets.ICMP:
        return checksum(body) == 0
    ends = packets.source_at(frame, ETHERNET) + packets.destination_at(frame, ETHERNET)
    return checksum(ends + struct.pack("!II", len(body), packets.protocol(frame)) + body) == 0


def together(pieces: list[bytes]) -> bytes:
    """The datagram again (RFC 791, 3.2)."""
    whole = bytearray(65536)
    end = 0
    for piece in pieces:
        at = (int.from_bytes(piece[20:22], "big") & 0x1FFF) * 8
        body = piece[packets.payload_at(piece, ETHERNET) : ETHERNET + packets.length(piece)]
        whole[at : at + len(body)] = body
        end = max(end, at + len(body))
    return bytes(whole[:end])


@given(st.integers(1, 9000), st.integers(576, 1500), st.integers(576, 1500))
def test_fragments_fit_and_make_the_whole_again_also_when_cut_twice(size: int, mtu: int, second: int) -> None:
    frame = udp(bytes(n % 251 for n in range(size)))
    pieces = [
        smaller for piece in packets.fragments(frame, mtu) for smaller in packets.fragments(piece, second)
    ]
    assert all(packets.length(piece) <= second and not checksum(piece[14:34]) for piece in pieces)
    assert together(pieces) == frame[34:]
    more = [bool(piece[20] & 0x20) for piece in pieces]
    assert more == [True] * (len(pieces) - 1) + [False]


def test_only_options_that_say_so_are_copied() -> None:
    plain = udp(bytes(1400))
    options = bytes((7, 4, 4, 0)) + bytes((0x94, 4, 0, 0))  # record route: first only; router alert: all
    ip = bytes((0x47,)) + plain[15:16] + struct.pack("!H", 28 + 1408) + plain[18:34] + options
    first, second = packets.fragments(plain[:14] + ip + plain[34:], 1000)
    assert first[34:42] == options
    assert second[14] == 0x46
    assert second[34:38] == options[4:]


@pytest.mark.parametrize("version", [4, 6])
def test_the_sender_is_told_by_the_line_s_own_address(version: int) -> None:
    frame = udp(bytes(1400), version=version, flags=0x4000)
    told = Reporter(addresses=OURS).too_big(frame, 1300)
    assert told is not None
    assert told[:12] == frame[6:12] + frame[:6]
    assert right(told)
    ours = next(one for one in OURS if one.version == version)
    assert packets.source_at(told, ETHERNET) == ours.packed
    assert packets.destination_at(told, ETHERNET) == packets.source_at(frame, ETHERNET)
    icmp = packets.payload_at(told, ETHERNET)
    assert (told[icmp], int.from_bytes(told[icmp + 6 : icmp + 8], "big")) == (3 if version == 4 else 2, 1300)
    assert frame[ETHERNET:].startswith(told[icmp + 8 :])
    assert packets.length(told) <= (576 if version == 4 else 1280)
    assert Reporter(addresses=OURS).too_big(told, 100) is None  # never an error about an error


def test_without_an_address_of_the_version_nothing_is_told() -> None:
    assert Reporter(addresses=OURS[:1]).too_big(udp(bytes(1400), version=6), 1300) is None


def _answer(frame: bytes) -> bytes:
    """The frame's ends exchanged, ports too; checksums hold, as sums do not care about order."""
    at = packets.payload_at(frame, ETHERNET)
    size = 4 if packets.is_ipv4(frame) else 16
    ends = at - 2 * size
    return (
        frame[6:12]
        + frame[:6]
        + frame[12:ends]
        + frame[ends + size : at]
        + frame[ends : ends + size]
        + frame[at + 2 : at + 4]
        + frame[at : at + 2]
        + frame[at + 4 :]
    )


@pytest.mark.parametrize("version", [4, 6])
def test_ports_are_translated_and_back_until_rebound(version: int) -> None:
    ports, frame = PortTranslator(), udp(b"hello", version=version)
    out = ports.out(frame)
    assert right(out)
    assert out != frame
    assert ports.out(frame) == out
    assert ports.back(_answer(out)) == _answer(frame)
    ports.rebind()
    assert ports.back(_answer(out)) is None
    assert ports.out(frame) != out


@pytest.mark.parametrize("version", [4, 6])
def test_errors_find_their_flow(version: int) -> None:
    ports, frame = PortTranslator(), udp(bytes(100), version=version, flags=0x4000)
    out = ports.out(frame)
    about, meant = (Reporter(addresses=OURS).too_big(one, 600) for one in (out, frame))
    assert about is not None
    assert meant is not None
    back = ports.back(about)
    assert back is not None
    assert right(back)
    at = packets.payload_at(back, ETHERNET) + 8
    assert back[at:][packets.payload_at(back, at) - at :][:2] == (5000).to_bytes(2, "big")
    ports.rebind()
    assert ports.back(about) is None
