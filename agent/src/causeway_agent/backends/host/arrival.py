"""When a packet arrived, by the kernel's clock: whoever reads it later need not be told of it at once."""

from __future__ import annotations

import socket
import struct
import time

_TIMESTAMP = 35  # SO_TIMESTAMPNS and SCM_TIMESTAMPNS, asm-generic/socket.h
_MOMENT = struct.Struct("@ll")
_ROOM = socket.CMSG_SPACE(_MOMENT.size)
_OCTETS = 256
_OLDEST = 1.0


def note(sock: socket.socket) -> None:
    """Have the kernel note when packets arrive from now on (socket(7)). Raises OSError."""
    sock.setsockopt(socket.SOL_SOCKET, _TIMESTAMP, 1)


def receive(sock: socket.socket) -> tuple[bytes, float]:
    """The first 256 octets of the packet that waits there, and when it came, on time.monotonic(3), seconds.

    The kernel notes the time of day: a clock that was set meanwhile makes the moment wrong, by a second at
    most. Raises OSError.
    """
    packet, ancillary, _, _ = sock.recvmsg(_OCTETS, _ROOM)
    now = time.monotonic()
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _TIMESTAMP) and len(data) == _MOMENT.size:
            seconds, nanoseconds = _MOMENT.unpack(data)
            return packet, now - min(max(0.0, time.time() - (seconds + nanoseconds * 1e-9)), _OLDEST)
    return packet, now
