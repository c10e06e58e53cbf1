"""The provider's end: over which of its two devices the client sends, while it is connected to both.

A client tries one transport beside the other and changes when it is sure. Its liveness questions say which
of the two is on trial (`liveness.TRIAL`); the one that does not say so carries the tunnel, and production is
answered there. Heard by raw sockets, and only while there are two: the kernel answers the questions.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable
from contextlib import ExitStack

from causeway_agent.backends.processes import liveness

_RAW_LEVEL, _ICMP_FILTER, _ICMP6_FILTER = 255, 1, 1  # linux/icmp.h, linux/icmpv6.h
_ECHO4, _ECHO6 = 8, 128
_HEADER = 8


class Notices:
    """Hears until closed. Made in a running loop; raises OSError where it cannot hear."""

    def __init__(self, devices: Iterable[str], carried: Callable[[str], None]) -> None:
        self._carried = carried
        self._stack = ExitStack()
        with ExitStack() as stack:
            for device in devices:
                for version in (4, 6):
                    sock = stack.enter_context(_open(device, version))
                    asyncio.get_running_loop().add_reader(sock, self._hear, sock, device, version)
                    stack.callback(asyncio.get_running_loop().remove_reader, sock)
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Hear no more."""
        self._stack.close()

    def _hear(self, sock: socket.socket, device: str, version: int) -> None:
        try:
            packet = sock.recv(256)
        except OSError:  # nothing there after all, or the device has gone
            return
        if carries(packet, version):
            self._carried(device)


def carries(packet: bytes, version: int) -> bool:
    """Whether this is a question through a tunnel in use, as a raw socket of this IP version shows it."""
    if version == 4:  # noqa: PLR2004
        packet = packet[(packet[0] & 15) * 4 :] if packet else b""
    kind = _ECHO4 if version == 4 else _ECHO6  # noqa: PLR2004
    return packet[:1] == bytes((kind,)) and not packet[_HEADER:].startswith(liveness.TRIAL)


def _open(device: str, version: int) -> socket.socket:
    """A raw socket that sees echo requests which arrive on this device; needs CAP_NET_RAW."""
    if version == 4:  # noqa: PLR2004
        family, protocol, level, option = socket.AF_INET, socket.IPPROTO_ICMP, _RAW_LEVEL, _ICMP_FILTER
        mask = struct.pack("=I", ~(1 << _ECHO4) & 0xFFFFFFFF)  # a set bit blocks the type
    else:
        family, protocol = socket.AF_INET6, socket.IPPROTO_ICMPV6
        level, option = socket.IPPROTO_ICMPV6, _ICMP6_FILTER
        words = [0xFFFFFFFF] * 8
        words[_ECHO6 >> 5] &= ~(1 << (_ECHO6 & 31))
        mask = struct.pack("=8I", *words)
    sock = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
    try:
        sock.setsockopt(level, option, mask)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    except OSError:
        sock.close()
        raise
    return sock
