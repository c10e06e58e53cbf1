"""Bad lines under a tunnel that the kernel carries, made at the gateway of one booted machine by traffic
control, routes and its translation. Only Python's standard library is there.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import offload_world as world
from tests.booted import carried_guest as guest
from tests.booted import carried_packets as packets

WAYS = (("vm", "rep", guest.REPLICA[4], "inside"), ("rep", "vm", guest.VM[4], "pub"))
"""Who says, who hears, at which address, and the gateway's device on the way out."""
COUNT, PACE = 1000, 0.01
"""How many datagrams each way, and seconds between two."""
LATE = 6.0
"""Seconds that the last ones may take."""
PAUSE, BETWEEN = 0.8, 3.0
"""Seconds for which all is held, and after which it is again."""
NARROW = 1400
"""What the way beyond the gateway carries, and nobody is told."""
OCTETS = 600_000
_STALLED = 120.0
_SILENT = """\
table ip silent {
  chain c { type filter hook output priority 0; meta l4proto icmp drop; }
}
"""
_ANOTHER_PORT = """\
flush chain ip relay post
add rule ip relay post ct status dnat meta l4proto udp masquerade to :20000-20999
"""
_FORGET_FLOWS = struct.pack("=IHHIIBBH", 20, (1 << 8) | 2, 1 | 4, 1, 0, 0, 0, 0)
"""linux/netfilter/nfnetlink_conntrack.h: IPCTNL_MSG_CT_DELETE that names none means all."""
_NETFILTER = 12


@dataclass(slots=True)
class Heard:
    """What came of numbered datagrams one way."""

    lost: int
    deepest: int
    """By how many one was overtaken at most."""
    longest: float
    """Seconds between two that came."""


def lines() -> None:
    """Each line in its turn, and a clear one first."""
    for name, ask in (
        ("clear", lambda: _shaped(None)),
        ("loss", lambda: _shaped("delay 80ms 20ms loss 1%")),
        ("reordered", lambda: _shaped("delay 2s reorder 98%")),
        ("paused", _paused),
        ("narrow", _narrow),
        ("rebound", _rebound),
    ):
        _on_line(name, ask)


def _on_line(name: str, ask: Callable[[], dict[str, object]]) -> None:
    before = [guest.tunnel(end)["restarts"] for end in guest.ENDS]
    found = ask()
    passed = guest.passes(4)
    guest.until(guest.settled, f"everything as it should be after {name}")
    ends = [guest.tunnel(end) for end in guest.ENDS]
    guest.tell(
        what="line",
        of=name,
        passed=passed,
        restarts=[end["restarts"] - then for end, then in zip(ends, before, strict=True)],
        carried=[[end["carrier"], end["transport"]] for end in ends],
        **found,
    )


def _control(*words: str) -> str:
    done = subprocess.run(("tc", "-n", "gw", *words), check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"tc {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def _queued(*words: str) -> Iterator[None]:
    """Both ways out of the gateway behind this queue, while the block runs."""
    for *_, device in WAYS:
        _control("qdisc", "replace", "dev", device, "root", *words)
    try:
        yield
    finally:
        for *_, device in WAYS:
            _control("qdisc", "del", "dev", device, "root")


def _shaped(shape: str | None) -> dict[str, object]:
    """Datagrams both ways, and how many packets the line itself took."""
    if shape is None:
        return {**_told([_counted(*way[:3]) for way in WAYS]), "taken": [0, 0]}
    with _queued("netem", "limit", "10000", *shape.split()):
        heard = [_counted(*way[:3]) for way in WAYS]
        taken = [
            int(json.loads(_control("-s", "-j", "qdisc", "show", "dev", device, "root"))[0]["drops"])
            for *_, device in WAYS
        ]
    return {**_told(heard), "taken": taken}


def _told(heard: list[Heard]) -> dict[str, object]:
    return {
        "lost": [each.lost for each in heard],
        "deepest": [each.deepest for each in heard],
        "longest": [each.longest for each in heard],
    }


def _counted(says: str, hears: str, to: str) -> Heard:
    with world.inside(says):
        mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    came: list[tuple[float, int]] = []
    with mouth, packets.listening(hears) as ear:
        for number in range(COUNT):
            mouth.sendto(b"%06d" % number, (to, world.PORT))
            time.sleep(PACE)
            _hear(ear, came)
        began = time.monotonic()
        while len(came) < COUNT and time.monotonic() - began < LATE:
            time.sleep(PACE)
            _hear(ear, came)
    numbers = [number for _, number in came]
    return Heard(
        lost=COUNT - len(set(numbers)),
        deepest=_deepest(numbers),
        longest=max((after - before for (before, _), (after, _) in itertools.pairwise(came)), default=0.0),
    )


def _deepest(numbers: list[int]) -> int:
    return max(
        (sum(one > number for one in numbers[:place]) for place, number in enumerate(numbers)), default=0
    )


def _hear(ear: socket.socket, came: list[tuple[float, int]]) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            came.append((time.monotonic(), int(ear.recv(2048))))


def _paused() -> dict[str, object]:
    """All is held for a while, both ways at once, again and again."""
    ended = threading.Event()
    held = [0.0]
    with _queued("plug", "limit", "100000000"), _orders() as order:
        order("release_indefinite")

        def hold() -> None:
            while not ended.wait(BETWEEN - PAUSE):
                began = time.monotonic()
                order("block")
                time.sleep(PAUSE)
                order("release_indefinite")
                held.append(time.monotonic() - began)

        holding = threading.Thread(target=hold)
        holding.start()
        try:
            heard = [_counted(*way[:3]) for way in WAYS]
        finally:
            ended.set()
            holding.join()
    return {**_told(heard), "taken": [0, 0], "held": max(held)}


@contextlib.contextmanager
def _orders() -> Iterator[Callable[[str], None]]:
    """Order both plugs by one process that waits for it: to start another one takes as long as a pause."""
    words = ("tc", "-n", "gw", "-batch", "-")
    with subprocess.Popen(words, stdin=subprocess.PIPE, text=True, bufsize=1) as control:
        out = control.stdin
        assert out is not None

        def order(what: str) -> None:
            out.writelines(f"qdisc change dev {device} root plug {what}\n" for *_, device in WAYS)
            out.flush()

        yield order
        out.close()
    if control.returncode:
        raise RuntimeError(f"tc ended with {control.returncode}")


def _narrow() -> dict[str, object]:
    """TCP both ways over a path that carries less, with nobody told."""
    ways = (("10.10.0.20", "inside"), ("203.0.113.2", "pub"))
    before = _fragments()
    with world.inside("gw"):
        subprocess.run(("nft", "-f", "-"), input=_SILENT, text=True, check=True)
    for to, device in ways:
        world.ip("gw", "route", "add", f"{to}/32", "dev", device, "mtu", "lock", str(NARROW))
    try:
        octets = [_transferred(*way[:3]) for way in WAYS]
    finally:
        for to, _ in ways:
            world.ip("gw", "route", "del", f"{to}/32")
        with world.inside("gw"):
            subprocess.run(("nft", "delete", "table", "ip", "silent"), check=True)
    return {"octets": octets, "fragments": _fragments() - before}


def _fragments() -> int:
    """How many the gateway has made."""
    with world.inside("gw"):
        lines = Path("/proc/thread-self/net/snmp").read_text().splitlines()
    names, values = (line.split() for line in lines if line.startswith("Ip:"))
    return int(dict(zip(names, values, strict=True))["FragCreates"])


def _transferred(says: str, hears: str, to: str) -> int:
    """Octets of one connection that came until it stalled, at most all."""
    with world.inside(hears):
        listener = socket.create_server(("", world.PORT))
    with listener:
        with world.inside(says):
            mouth = socket.create_connection((to, world.PORT), timeout=_STALLED)
        ear, _ = listener.accept()
    came = 0
    with mouth:
        sending = threading.Thread(target=_sent, args=(mouth,), daemon=True)
        sending.start()
        ear.settimeout(_STALLED)
        with ear, contextlib.suppress(TimeoutError):
            while came < OCTETS and (part := ear.recv(1 << 16)):
                came += len(part)
        sending.join(_STALLED)
    return came


def _sent(mouth: socket.socket) -> None:
    with contextlib.suppress(OSError):
        mouth.sendall(bytes(OCTETS))


def _rebound() -> dict[str, object]:
    """The gateway's translation forgets the flow and gives it another port, as a router's does."""
    with packets.wire("gw", "inside") as tap:
        before = _ports(tap)
        with world.inside("gw"):
            subprocess.run(("nft", "-f", "-"), input=_ANOTHER_PORT, text=True, check=True)
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER) as asking:
                asking.send(_FORGET_FLOWS)
                (failed,) = struct.unpack_from("=i", asking.recv(4096), 16)
        if failed:
            raise OSError(-failed, "conntrack")
        heard = [_counted(*way[:3]) for way in WAYS]
        after = _ports(tap)
    return {**_told(heard), "ports": [sorted(before), sorted(after - before)]}


def _ports(tap: socket.socket) -> set[int]:
    """From which the tunnel's packets come to the provider's end; some pass first."""
    packets.frames(tap)
    _counted(*WAYS[0][:3])
    return {
        struct.unpack_from("!H", frame, 34)[0]
        for frame in packets.frames(tap)
        if frame[12:14] == b"\x08\x00" and frame[23] == 17 and frame[30:34] == bytes((10, 10, 0, 20))
    }
