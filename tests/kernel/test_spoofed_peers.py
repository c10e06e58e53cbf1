"""Who knows a tunnel's addresses and ports, and no key, sends to either end in the other's name.

The tunnel goes on as it is. That each such packet is told of, and what is printed kept short nevertheless, is
shown in `tests/unit/agent/backends/test_openvpn.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from causeway_agent.plan.filter import ruleset
from causeway_agent.plan.model.policy import Policy
from causeway_lab.world.line.line import Line
from tests.kernel import lines
from tests.kernel.lines import WAYS
from tests.kernel.processes_lab import DOOR, GATEWAYS, TUNNEL, Site, site, until

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

CLIENT = "198.51.100.50"
PACKETS = 2000
DATA, CONTROL, RESET_OF_CLIENT, RESET_OF_SERVER = 9, 4, 7, 8
"""P_DATA_V2, P_CONTROL_V1, P_CONTROL_HARD_RESET_CLIENT_V2 and ..._SERVER_V2 (openvpn, ssl_pkt.h)."""
_FORGE = """
import os, socket, struct, sys, time
source, port, target, to, opcode, number = sys.argv[1:]
addresses = socket.inet_aton(source) + socket.inet_aton(target)
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
    for n in range(int(number)):
        # Data carries the number that the server gave its client, a small one.
        body = bytes((int(opcode) << 3, 0, 0, n % 4)) + os.urandom(80)
        udp = struct.pack("!HHHH", int(port), int(to), 8 + len(body), 0) + body
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), n, 0x4000, 64, 17, 0)
        sock.sendto(head + addresses + udp, (target, 0))
        if n % 50 == 0:
            time.sleep(0.01)
"""

_FORGE_ERRORS = """
import socket, struct, sys, time
source, port, target, to, number = sys.argv[1:]

def checksum(octets):
    total = sum(struct.unpack("!%dH" % (len(octets) // 2), octets))
    total = (total >> 16) + (total & 0xffff)
    return (~(total + (total >> 16))) & 0xffff

def header(source, target, protocol, octets):
    head = struct.pack("!BBHHHBBH", 0x45, 0, octets, 7, 0x4000, 64, protocol, 0)
    head += socket.inet_aton(source) + socket.inet_aton(target)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:]

quoted = header(target, source, 17, 128) + struct.pack("!HHHH", int(to), int(port), 108, 0)
frames = []
for code in (1, 3, 10, 13):
    body = bytes((3, code)) + bytes(6) + quoted
    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    frames.append(header(source, target, 1, 20 + len(body)) + body)
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
    for n in range(int(number)):
        sock.sendto(frames[n % 4], (target, 0))
        if n % 10 == 0:
            time.sleep(0.005)
"""
"""In the name of `source`: what `target` sent there from port `to` did not arrive."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Line]]:
    with site(tmp_path_factory.mktemp("spoofed")) as made, lines.before(made) as line:
        made.up(*WAYS)
        yield made, line


@pytest.fixture
def made(running: tuple[Site, Line]) -> Iterator[Site]:
    with lines.over_udp(*running):
        yield running[0]


def flows(made: Site) -> list[tuple[int, int]]:
    """Gateway and the client's port of every flow that a gateway knows."""
    found = []
    for gateway in range(len(GATEWAYS)):
        known = made.inside(f"g{gateway}", "nft", "list", "set", "inet", "causeway", "known")
        found += [(gateway, int(port)) for port in re.findall(rf"{re.escape(CLIENT)} \. (\d+)", known)]
    return found


def forge(made: Site, to: str, opcode: int) -> None:
    """Send to this end (`c` or `s`) in the name of the other, on every way that the tunnel may be on."""
    for gateway, port in flows(made):
        ends = (CLIENT, str(port)), (str(GATEWAYS[gateway]), str(DOOR))
        sender, receiver = ends if to == "s" else reversed(ends)
        process = made.popen("a", "-c", _FORGE, *sender, *receiver, str(opcode), str(PACKETS))
        process.communicate(timeout=60)


def said(made: Site, place: str) -> str:
    """What the process of this end has printed."""
    name = f"vpn-{TUNNEL}-udp" if place == "s" else f"vpn-{TUNNEL}"
    return (made.directory / place / name / "output.log").read_text()


def since(before: str, now: str) -> str:
    """What was printed meanwhile; all of it where it was shortened."""
    return now.removeprefix(before)


CASES = [
    ("s", DATA),
    ("s", CONTROL),
    ("s", RESET_OF_CLIENT),
    ("c", DATA),
    ("c", CONTROL),
    ("c", RESET_OF_SERVER),
]


@pytest.mark.parametrize(("to", "opcode"), CASES)
def test_what_is_sent_in_a_peer_s_name_moves_no_tunnel(made: Site, to: str, opcode: int) -> None:
    agent = made.agents["c"]
    known, before = agent.report()["restarts"], said(made, to)
    assert flows(made)
    forge(made, to, opcode)
    until(lambda: "rror" in since(before, said(made, to)))  # it arrived
    with made.probing(2.0) as echoes:
        pass
    assert echoes["lost"] == 0
    assert (agent.report()["restarts"], agent.report()["state"]) == (known, "connected")


def told(made: Site, place: str) -> int:
    """How often the kernel there was told that something did not arrive."""
    names, values = (
        line.split()[1:]
        for line in made.inside(place, "cat", "/proc/net/snmp").splitlines()
        if line.startswith("Icmp:")
    )
    return int(dict(zip(names, values, strict=True))["InDestUnreachs"])


@pytest.mark.parametrize("to", ["s", "c"])
def test_nor_does_it_hear_each_error_that_is_forged(made: Site, to: str) -> None:
    """A server is told of them by its gateway, which translates them."""
    agent = made.agents["c"]
    known, before = agent.report()["restarts"], told(made, to)
    assert flows(made)
    made.load("c", ruleset.render(Policy()))
    try:
        for gateway, port in flows(made):
            ends = (CLIENT, str(port)), (str(GATEWAYS[gateway]), str(DOOR))
            sender, receiver = ends if to == "s" else reversed(ends)
            process = made.popen("a", "-c", _FORGE_ERRORS, *sender, *receiver, str(PACKETS))
            process.communicate(timeout=60)
        assert 1 <= told(made, to) - before < PACKETS / 20
        with made.probing(2.0) as echoes:
            pass
        assert echoes["lost"] == 0
    finally:
        made.inside("c", "nft", "flush", "ruleset")
    assert (agent.report()["restarts"], agent.report()["state"]) == (known, "connected")
