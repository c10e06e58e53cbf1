"""Who may open a tunnel that the kernel carries, with what, and what a copy of its packets is worth, asked in
one booted machine. Only Python's standard library is there.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator

from benchmarks import offload_world as world
from tests.booted import carried_guest as guest
from tests.booted import carried_packets as packets
from tests.booted.carried_watch import Watch

REFUSED = ("stranger", "foreign")
"""Documents of the tenant's end with which it must not get in."""
LONG = 20.0
"""Seconds for which a refused client tries again and again."""
COUNT = 20
_SIZE = 950
"""Octets inside: no other packet of the tunnel is nearly as large, but for questions about the path."""
_OUTSIDE = (1000, 1100)
"""What such a packet may weigh outside."""
_WITHHOLD = """\
table netdev withhold {
  chain c { type filter hook ingress device "@DEVICE@" priority 0; meta length @LEAST@-@MOST@ drop; }
}
"""
_UDP_SUM = slice(14 + 20 + 6, 14 + 20 + 8)
REKEYINGS = 2
_REKEYED = 240.0
"""Seconds in which they come (`carried_agent.RENEGOTIATE`), where processors are emulated."""


def stolen(agent: guest.Agent) -> None:
    """The tenant's end comes with another certificate of the same authority, and with a key that its provider
    did not wrap; then with its own again.
    """
    for name in REFUSED:
        agent.take(f"document-{name}.json")
        passed = guest.passes(4, patience=LONG)
        here, there = guest.tunnel("tapp"), guest.tunnel("sapp")
        guest.tell(
            what="stolen", of=name, passed=passed, state=here.get("state"), why=there.get("last_error")
        )
    agent.take("document-own.json")
    guest.tell(what="own", passed=guest.passes(4))
    guest.until(guest.settled, "everything as it should be")


def renewed(agents: dict[str, guest.Agent]) -> None:
    """Both ends get new keys and certificates of the same name, one after the other."""
    for end in reversed(guest.ENDS):
        agents[end].take("document-renewed.json")
        guest.tell(what="renewed", end=end, passed=guest.passes(4), again=guest.passes(6))
        guest.until(guest.settled, "everything as it should be")
    guest.carried("with new certificates")


def rekeyed() -> None:
    """The session's keys are made anew while packets pass."""
    before = {end: _handshakes(end) for end in guest.ENDS}
    restarted = {end: guest.tunnel(end)["restarts"] for end in guest.ENDS}
    with Watch() as watch:
        began = time.monotonic()
        guest.until(
            lambda: all(_handshakes(end) - before[end] >= REKEYINGS for end in guest.ENDS),
            "new keys",
            patience=_REKEYED,
        )
        time.sleep(5)
        silent, answers = watch.longest(began), watch.answers
    restarts = [guest.tunnel(end)["restarts"] - restarted[end] for end in guest.ENDS]
    guest.tell(what="rekeyed", control=answers, silent=silent, restarts=restarts)


def _handshakes(machine: str) -> int:
    logs = (guest.WORK / machine).glob("run/vpn-*/output.log")
    return sum(log.read_text(errors="replace").count("VERIFY OK: depth=0") for log in logs)


def replayed() -> None:
    """Packets of the tunnel, kept from one end, come to it late, and then once more."""
    for end, device, gate, says, hears in (
        ("sapp", "upl", "inside", ("vm", guest.VM[4]), ("rep", guest.REPLICA[4])),
        ("tapp", "wan", "pub", ("rep", guest.REPLICA[4]), ("vm", guest.VM[4])),
    ):
        with packets.wire("gw", gate) as tap, packets.listening(hears[0]) as ear:
            with _withheld(end, device):
                for number in range(COUNT):
                    packets.say(*says, hears[1], b"%03d" % number + bytes(_SIZE))
                kept: list[bytes] = []
                guest.until(lambda: len(_take(tap, kept)) >= COUNT, "packets outside")  # noqa: B023 - at once
                withheld = len(packets.heard(ear, 2.0))
            late = _heard_of(tap, kept, ear)
            again = _heard_of(tap, kept, ear)
            packets.say(*says, hears[1], b"honest")
            honest = b"honest" in packets.heard(ear, LONG, until=b"honest")
        guest.tell(
            what="replayed",
            end=end,
            withheld=withheld,
            control=len(set(late)),
            again=len(again),
            honest=honest,
        )


@contextlib.contextmanager
def _withheld(end: str, device: str) -> Iterator[None]:
    """Large packets do not reach this end while the block runs."""
    least, most = map(str, _OUTSIDE)
    rules = _WITHHOLD.replace("@DEVICE@", device).replace("@LEAST@", least).replace("@MOST@", most)
    with world.inside(end):
        subprocess.run(("nft", "-f", "-"), input=rules, text=True, check=True)
    try:
        yield
    finally:
        with world.inside(end):
            subprocess.run(("nft", "delete", "table", "netdev", "withhold"), check=True)


def _take(tap: socket.socket, kept: list[bytes]) -> list[bytes]:
    """What passed that is as large, with what was kept before; one checksum less, which a wire would have
    been given later.
    """
    kept += [
        frame[: _UDP_SUM.start] + bytes(2) + frame[_UDP_SUM.stop :]
        for frame in packets.frames(tap)
        if _OUTSIDE[0] <= len(frame) - 14 <= _OUTSIDE[1] and frame[12:14] == b"\x08\x00"
    ]
    return kept


def _heard_of(tap: socket.socket, kept: list[bytes], ear: socket.socket) -> list[bytes]:
    for frame in kept:
        tap.send(frame)
    return packets.heard(ear, 4.0)
