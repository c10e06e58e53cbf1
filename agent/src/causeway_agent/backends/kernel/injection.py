"""Puts a packet back into the kernel as if it had just arrived, through a tun device of our own.

The device exists while it is open, so it dies with the agent.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from pathlib import Path

from causeway_agent.plan.model.objects import INJECTION_DEVICE
from causeway_wire.types import IPAddress

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI, _IFF_UP = 0x0001, 0x1000, 0x1
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_REQUEST = struct.Struct("16sH22x")  # struct ifreq with ifr_flags
_HOPS = 64


class Injector:
    """An open injection device. Constructing it raises OSError where no tun device can be made."""

    def __init__(self) -> None:
        self._descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        name = INJECTION_DEVICE.encode()
        try:
            fcntl.ioctl(self._descriptor, _TUNSETIFF, _REQUEST.pack(name, _IFF_TUN | _IFF_NO_PI))
            # Sources are reached through another device, which strict filtering would take for spoofing.
            Path(f"/proc/sys/net/ipv4/conf/{INJECTION_DEVICE}/rp_filter").write_text("0", encoding="ascii")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
                _, flags = _REQUEST.unpack(fcntl.ioctl(control, _SIOCGIFFLAGS, _REQUEST.pack(name, 0)))
                fcntl.ioctl(control, _SIOCSIFFLAGS, _REQUEST.pack(name, flags | _IFF_UP))
        except OSError:
            os.close(self._descriptor)
            raise

    def inject(
        self, payload: bytes, source: tuple[IPAddress, int], destination: tuple[IPAddress, int]
    ) -> None:
        """Let a UDP datagram enter the kernel; raises OSError when it refuses."""
        os.write(self._descriptor, datagram(payload, source, destination))

    def close(self) -> None:
        """Remove the device."""
        os.close(self._descriptor)


def datagram(payload: bytes, source: tuple[IPAddress, int], destination: tuple[IPAddress, int]) -> bytes:
    """A UDP datagram (RFC 768) in an IPv4 (RFC 791) or IPv6 (RFC 8200) packet."""
    length = 8 + len(payload)
    ends = source[0].packed + destination[0].packed
    ports = struct.pack("!HHH", source[1], destination[1], length)
    pseudo = ends + struct.pack("!II", length, socket.IPPROTO_UDP)
    # A computed zero is sent as ones: zero means "none" (RFC 768).
    total = _checksum(pseudo + ports + b"\0\0" + payload) or 0xFFFF
    udp = ports + struct.pack("!H", total) + payload
    if source[0].version == 6:  # noqa: PLR2004
        return struct.pack("!IHBB", 6 << 28, length, socket.IPPROTO_UDP, _HOPS) + ends + udp
    head = struct.pack("!BBHHHBB", 0x45, 0, 20 + length, 0, 0, _HOPS, socket.IPPROTO_UDP)
    return head + struct.pack("!H", _checksum(head + b"\0\0" + ends)) + ends + udp


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
