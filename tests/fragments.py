"""Datagrams in fragments: whole ones for the control, incomplete ones by the thousand. In namespaces only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from causeway_agent.plan.model import reassembly
from tests.wired import BOX, beside, python, within

SHAPES = ("first", "later", "tiny", "overlapping", "dust")

_FLOOD = """
    import ipaddress, socket, struct, sys
    destination, shape, port, count, *sources = sys.argv[1:]
    to, port = ipaddress.ip_address(destination), int(port)
    froms = [ipaddress.ip_address(source) for source in sources]
    if len(froms) == 2:
        froms = [froms[0] + n for n in range(int(froms[1]) - int(froms[0]))]
    six = to.version == 6
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    if six:
        s.setsockopt(socket.IPPROTO_IPV6, 36, 1)
    first = struct.pack("!HHHH", 6180, port, 1000, 0) + bytes(8)
    parts = {
        "first": [(0, 1, first)],
        "later": [(8, 1, bytes(16))],
        "tiny": [(0, 1, first[:8])],
        "overlapping": [(0, 1, first), (1, 1, bytes(16))],
        # A datagram that is let in, and thousands of its fragments that never meet.
        "dust": [(0, 1, first), *((4 + 2 * n, 1, bytes(8)) for n in range(4000))],
        "slabs": [(0, 1, first), *((4 + 186 * n, 1, bytes(1480)) for n in range(43))],
    }[shape]
    if shape in ("dust", "slabs"):
        count = int(count) // (200 if shape == "dust" else 4)
    for n in range(int(count)):
        for offset, more, data in parts:
            source, length = froms[n % len(froms)].packed, len(data)
            if six:
                head = struct.pack("!IHBB", 6 << 28, length + 8, 44, 64) + source + to.packed
                head += struct.pack("!BBHI", 17, 0, offset << 3 | more, n)
            else:
                flags = offset | more << 13
                head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, n & 0xFFFF, flags, 64, 17, 0)
                head += source + to.packed
            s.sendto(head + data, (destination, 0))
"""
_ECHO = """
    import socket, sys
    address, port = sys.argv[1:]
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    s.bind((address, int(port)))
    print("ready", flush=True)
    while True:
        data, origin = s.recvfrom(65535)
        s.sendto(data, origin)
"""
_ASK = """
    import socket, sys
    source, port, destination, to, octets = sys.argv[1:]
    s = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    s.bind((source, int(port)))
    s.settimeout(2)
    s.sendto(bytes(int(octets)), (destination, int(to)))
    try:
        print(len(s.recv(65535)))
    except TimeoutError:
        print(0)
"""
_STREAM = """
    import socket, sys, time
    source, port, destination, to, octets, at_once, times = sys.argv[1:]
    s = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((source, int(port)))
    for _ in range(int(times)):
        for _ in range(int(at_once)):
            s.sendto(bytes(int(octets)), (destination, int(to)))
        time.sleep(0.01)
"""


def settle(space: str = BOX) -> None:
    """What the agent sets on an appliance, whose rules alone the test has loaded."""
    within(space, "sysctl", "-qw", *(f"{one.key}={one.value}" for one in reassembly.settings()))


def flood(
    space: str, destination: str, shape: str, *sources: str, port: int = 1195, count: int = 6000
) -> None:
    """Incomplete datagrams of 36 octets, each another one, from a source or a range of sources."""
    python(space, _FLOOD, destination, shape, str(port), str(count), *sources)


@contextmanager
def answering(space: str, address: str, port: int) -> Iterator[None]:
    """An UDP server that sends every datagram back whole."""
    with beside(space, _ECHO, address, str(port)):
        yield


def passes(
    space: str, source: str, destination: str, *, port: int, own: int = 0, octets: int = 30_000
) -> bool:
    """Whether a datagram of this size gets there and back, in fragments both ways."""
    return python(space, _ASK, source, str(own), destination, str(port), str(octets)) == str(octets)


def stream(
    space: str, source: str, destination: str, *, port: int, octets: int, pace: tuple[int, int], own: int = 0
) -> None:
    """Whole datagrams, so many at once and so many times, each a hundredth of a second after the last."""
    python(space, _STREAM, source, str(own), destination, *map(str, (port, octets, *pace)))
