"""TCP connections whose numbers are known, and segments forged in the name of an end. In namespaces only."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.wired import beside, python

BLIND, NEAR, EXACT = "blind", "near", "exact"
"""Numbers anywhere; numbers inside the window, as who tries all windows hits one; the one right number."""

_END = """
    import socket, sys
    role, own, port, far, to = sys.argv[1:]
    family = socket.AF_INET6 if ":" in own else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((own, int(port)))
    print("ready", flush=True)
    if role == "listen":
        sock.listen()
        sock, _ = sock.accept()
    else:
        sock.connect((far, int(to)))
    sock.settimeout(1)
"""
ECHO = (
    _END
    + """
    sock.settimeout(None)
    while data := sock.recv(100):
        sock.sendall(data)
"""
)
"""An end that sends back what it hears."""
ASK = (
    _END
    + """
    # linux/tcp.h: TCP_REPAIR 19, TCP_REPAIR_QUEUE 20, TCP_QUEUE_SEQ 21; queue 2 sends; -1: no probe after it
    for line in sys.stdin:
        if line == "numbers\\n":
            found = []
            sock.setsockopt(socket.IPPROTO_TCP, 19, 1)
            for queue in (2, 1):
                sock.setsockopt(socket.IPPROTO_TCP, 20, queue)
                found.append(sock.getsockopt(socket.IPPROTO_TCP, 21) & 0xFFFFFFFF)
            sock.setsockopt(socket.IPPROTO_TCP, 19, -1)
            print(*found, sock.getsockname()[1], flush=True)
            continue
        try:
            sock.sendall(line.encode())
            print(sock.recv(100).decode().strip() or "nothing", flush=True)
        except OSError:
            print("nothing", flush=True)
"""
)
"""An end that asks for each line, and tells the numbers that it sends and expects next, and its port."""
_FORGE = """
    import ipaddress, random, socket, struct, sys
    own, port, far, to, sequence, expected, how = sys.argv[1:]
    source, target = ipaddress.ip_address(own), ipaddress.ip_address(far)
    port, to, sequence, expected = int(port), int(to), int(sequence), int(expected)
    FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
    far_off = expected + (1 << 31)
    noise = random.Random(5961)

    def number():
        return sequence + (1 << 24) + noise.randrange((1 << 32) - (1 << 25))

    forged = {
        "blind": [
            (number(), noise.randrange(1 << 32), flags)
            for flags in (RST, RST | ACK, SYN, FIN | ACK, PSH | ACK)
            for _ in range(1000)
        ],
        "near": [
            *((sequence + step, expected, RST) for step in range(1, 20_000, 97)),
            *((sequence + step, expected, RST | ACK) for step in range(1, 20_000, 97)),
            *((sequence + step, 0, SYN) for step in (0, 1, 1000)),
            *((sequence + step, far_off, flags) for step in (0, 1) for flags in (PSH | ACK, FIN | ACK)),
        ],
        "exact": [(sequence, expected, RST | ACK)],
    }[how]
    six = source.version == 6
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    if six:
        s.setsockopt(socket.IPPROTO_IPV6, 36, 1)
    for sequence, acknowledged, flags in forged:
        data = b"forged" if flags & PSH else b""
        numbers = (sequence & 0xFFFFFFFF, acknowledged & 0xFFFFFFFF)
        segment = struct.pack("!HHIIBBHHH", port, to, *numbers, 0x50, flags, 1024, 0, 0) + data
        ends = source.packed + target.packed
        pseudo = ends + struct.pack("!II", len(segment), 6) + segment + bytes(len(segment) % 2)
        total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
        while total >> 16:
            total = (total >> 16) + (total & 0xFFFF)
        segment = segment[:16] + struct.pack("!H", ~total & 0xFFFF) + segment[18:]
        if six:
            head = struct.pack("!IHBB", 6 << 28, len(segment), 6, 64)
        else:
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, 6, 0)
        s.sendto(head + ends + segment, (far, 0))
"""


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection, seen from the end whose name is forged."""

    space: str
    own: str
    far: str
    to: int
    """The other end, as this one sees it."""
    process: subprocess.Popen[str]

    def asks(self) -> str:
        """What comes back for a word; `nothing` when nothing does."""
        return self._told("hello")

    def forge(self, how: str) -> None:
        """Send to the other end, in the name of this one."""
        sequence, expected, port = self._told("numbers").split()
        python(self.space, _FORGE, self.own, port, self.far, str(self.to), sequence, expected, how)

    def _told(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@contextmanager
def outward(space: str, own: str, far: str, to: int) -> Iterator[Connection]:
    """A connection from here to a server that is there already."""
    with beside(space, ASK, "connect", own, "0", far, str(to)) as process:
        yield Connection(space, own, far, to, process)


@contextmanager
def inward(space: str, own: str, port: int, *, near: str, far: str, to: int) -> Iterator[Connection]:
    """A connection to a server here from that port of another namespace, which sends back what it hears."""
    with (
        beside(space, ASK, "listen", own, str(port), far, str(to)) as process,
        beside(near, ECHO, "connect", far, str(to), own, str(port)),
    ):
        yield Connection(space, own, far, to, process)
