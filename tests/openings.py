"""Frames that open TCP connections, as many as one likes: from whatever MAC address, address and port."""

from __future__ import annotations

import struct
import sys
import textwrap
from ipaddress import ip_address

from tests.wired import run

_SEND = """
    import socket, sys
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind(("host", 0))
        for line in sys.stdin:
            sock.send(bytes.fromhex(line))
"""


def opening(receiver: str, sender: str, source: str, destination: str, port: int, *, to: int) -> bytes:
    """One Ethernet frame with a SYN (RFC 9293) from `port`; `receiver` and `sender` are MAC addresses."""
    here, there = ip_address(source), ip_address(destination)
    tcp = struct.pack("!HHIIBBHHH", port, to, 5, 0, 0x50, 0x02, 8192, 0, 0)
    pseudo = here.packed + there.packed + struct.pack("!II", len(tcp), 6)
    tcp = tcp[:16] + _sum(pseudo + tcp) + tcp[18:]
    if here.version == 6:
        head = struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64) + here.packed + there.packed
    else:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0x4000, 64, 6, 0) + here.packed + there.packed
        head = head[:10] + _sum(head) + head[12:]
    kind = b"\x86\xdd" if here.version == 6 else b"\x08\x00"
    return bytes.fromhex((receiver + sender).replace(":", "")) + kind + head + tcp


def send(space: str, frames: list[bytes]) -> None:
    """Out of the adapter of this namespace."""
    command = ("ip", "netns", "exec", space, sys.executable, "-c", textwrap.dedent(_SEND))
    run(*command, text="\n".join(frame.hex() for frame in frames))


def _sum(data: bytes) -> bytes:
    """The Internet checksum (RFC 1071)."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return struct.pack("!H", ~((total >> 16) + total) & 0xFFFF)
