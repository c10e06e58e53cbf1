"""TCP segments whose senders are made up: as many IPv6 addresses of one network as there are packets."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

RATE, SECONDS = 3000, 3
SYN, ACK = 2, 16
"""Of RFC 9293, 3.1: one opens a connection, the other belongs to none."""

_KNOCK = """
    import ipaddress, os, socket, struct, sys, time
    to, prefix = (ipaddress.ip_address(text).packed for text in sys.argv[1:3])
    port, rate, number, flags = map(int, sys.argv[3:])
    raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    raw.setsockopt(41, 36, 1)  # IPV6_HDRINCL
    began = time.monotonic()
    for index in range(number):
        source = prefix[:8] + os.urandom(8)
        segment = struct.pack("!HHIIBBHHH", 1024 + index % 60000, port, index, 0, 5 << 4, flags, 65535, 0, 0)
        total = sum(struct.unpack("!30H", source + to + struct.pack("!II", 20, 6) + segment))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        segment = segment[:16] + struct.pack("!H", ~total & 0xFFFF) + segment[18:]
        raw.sendto(struct.pack("!IHBB", 6 << 28, 20, 6, 64) + source + to + segment, (sys.argv[1], 0))
        if (ahead := index / rate - (time.monotonic() - began)) > 0:
            time.sleep(ahead)
"""


@contextmanager
def knocking(
    space: str, prefix: str, address: str, port: int, *, flags: int = SYN
) -> Iterator[subprocess.Popen[bytes]]:
    """Send them to this address and port from a namespace, from senders in this /64, while the block runs."""
    command = ("ip", "netns", "exec", space, sys.executable, "-c", textwrap.dedent(_KNOCK), address, prefix)
    numbers = map(str, (port, RATE, RATE * SECONDS, flags))
    with subprocess.Popen((*command, *numbers)) as running:
        try:
            yield running
        finally:
            running.kill()
