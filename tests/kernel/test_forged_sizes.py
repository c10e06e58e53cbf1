"""Forged ICMP tells an appliance that its path is small, or that the far end of its tunnel is not there.

It quotes whatever makes the kernel believe it. Every role, both IP versions, from a neighbour of the adapter
that its tunnels leave by and, at the provider's, from a replica. The control is the same packet without the
filter: the kernel would send 552 octets, or 1280, to the other end of the tunnel from then on, and a tunnel's
socket would lose what it sends next.
"""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from causeway_agent.backends.segment import frames
from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.filter import ruleset
from causeway_wire.desired import Desired, Partial
from causeway_wire.types import IPAddress
from tests import documents
from tests.neighbour_wire import colon, mac_of, send
from tests.wired import (
    BOX,
    FAR,
    UPLINK,
    VLAN,
    addresses,
    beside,
    build,
    counted,
    load,
    run,
    tear_down,
    within,
)

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

PORT, GATEWAY_PORT = 1195, 6180
VM4, VM6 = "192.168.0.20", "2001:db8::20"
PARTIAL = Partial(replicas=(documents.replica(20, "net-0", VM4, VM6),))
_TUNNEL = """
    import socket, sys
    own, port, far, to = sys.argv[1:]
    s = socket.socket(socket.AF_INET6 if ":" in own else socket.AF_INET, socket.SOCK_DGRAM)
    level, option = (41, 23) if ":" in own else (0, 10)
    s.setsockopt(level, option, 2)
    s.bind((own, int(port)))
    s.connect((far, int(to)))
    print("ready", flush=True)
    sys.stdin.read()
"""
"""A tunnel's socket: it has its packets' size found out, as OpenVPN with `mtu-disc yes` does."""

_TOLD = """
    import socket, sys
    own, port, far, to = sys.argv[1:]
    s = socket.socket(socket.AF_INET6 if ":" in own else socket.AF_INET, socket.SOCK_DGRAM)
    level, option = (41, 25) if ":" in own else (0, 11)
    s.setsockopt(level, option, 1)
    s.bind((own, int(port)))
    s.connect((far, int(to)))
    s.send(b"tunnel")
    print("ready", flush=True)
    for _ in sys.stdin:
        try:
            s.send(b"tunnel")
            sent = True
        except OSError:
            sent = False
        errors = 0
        try:
            while s.recvmsg(512, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT):
                errors += 1
        except BlockingIOError:
            print(int(sent), errors, flush=True)
"""
"""Another that hears errors, as OpenVPN's does. Answers a line: whether it could send, and errors since."""


@dataclass(frozen=True, slots=True)
class Role:
    """An appliance by its ruleset, and whom its tunnel talks to over which addresses."""

    document: Desired
    device: str
    space: str
    ends: tuple[tuple[str, str], ...]
    """Addresses of its own and of the far end, by IP version."""


ROLES = {
    "tenant": Role(
        documents.tenant(PARTIAL),
        "eth1",
        VLAN,
        (("192.168.0.6", "203.0.113.10"), ("2001:db8::6", "2001:db8:f::10")),
    ),
    "provider": Role(documents.provider(PARTIAL), "eth0", UPLINK, (("10.9.0.2", "10.9.0.20"),)),
    "gateway": Role(
        documents.gateway(documents.gateway_tunnel(0)),
        "eth1",
        FAR,
        (("203.0.113.10", "198.51.100.7"), ("2001:db8:f::10", "2001:db8:99::7")),
    ),
}
CASES = [
    pytest.param(name, own, far, id=f"{name}-{ip_address(own).version}")
    for name, role in ROLES.items()
    for own, far in role.ends
]


def udp(own: IPAddress, far: IPAddress) -> bytes:
    return _quoted(own, far, 17, _ports())


def udp_behind_options(own: IPAddress, far: IPAddress) -> bytes:
    """Nobody sends these; they move the ports to where nobody looks for them."""
    if isinstance(own, IPv4Address):
        return _quoted(own, far, 17, bytes([1, 1, 1, 0]) + _ports(), words=6)
    return _quoted(own, far, 60, bytes([17, 0, 1, 4, 0, 0, 0, 0]) + _ports())


def answer_to_an_echo(own: IPAddress, far: IPAddress) -> bytes:
    """Nobody need have asked."""
    if isinstance(own, IPv4Address):
        return _quoted(own, far, 1, bytes(8))
    return _quoted(own, far, 58, bytes([129, 0, 0, 0, 0, 0, 0, 0]))


Quote = Callable[[IPAddress, IPAddress], bytes]
QUOTES: tuple[Quote, ...] = (udp, udp_behind_options, answer_to_an_echo)


def _ports() -> bytes:
    return PORT.to_bytes(2, "big") + GATEWAY_PORT.to_bytes(2, "big") + bytes([4, 0, 0, 0])


def _quoted(own: IPAddress, far: IPAddress, protocol: int, data: bytes, *, words: int = 5) -> bytes:
    """The packet that was too large, as it is said to have left."""
    if isinstance(own, IPv4Address):
        options, rest = data[: 4 * words - 20], data[4 * words - 20 :]
        return _ipv4(own, far, protocol, octets=1400, options=options) + rest
    head = bytes([0x60, 0, 0, 0]) + (1360).to_bytes(2, "big") + bytes([protocol, 64])
    return head + own.packed + far.packed + data


def _ipv4(
    source: IPv4Address, destination: IPAddress, protocol: int, *, octets: int, options: bytes = b""
) -> bytes:
    """The header of a packet of so many octets, which must not be fragmented."""
    head = bytes([0x45 + len(options) // 4, 0]) + octets.to_bytes(2, "big")
    head += bytes([0, 7, 0x40, 0, 64, protocol, 0, 0])
    header = head + source.packed + destination.packed + options
    return header[:10] + frames.checksum(header).to_bytes(2, "big") + header[12:]


def told(to: bytes, mac: bytes, source: IPAddress, own: IPAddress, quoted: bytes) -> bytes:
    """A frame with ICMP from this source that has the packet quoted too large for a path."""
    if isinstance(source, IPv6Address) and isinstance(own, IPv6Address):
        body = bytes([2, 0, 0, 0]) + (1280).to_bytes(4, "big") + quoted
        return frames.icmpv6(to, mac, source, own, body + bytes(len(body) % 2))
    return _icmp4(to, mac, source, own, bytes([3, 4, 0, 0, 0, 0]) + (576).to_bytes(2, "big") + quoted)


def error(to: bytes, mac: bytes, source: IPAddress, own: IPAddress, kind: tuple[int, int]) -> bytes:
    """A frame with ICMP of this type and code about the tunnel's packets."""
    body = bytes([*kind, 0, 0, 0, 0, 0, 0]) + udp(own, source)
    if isinstance(source, IPv6Address) and isinstance(own, IPv6Address):
        return frames.icmpv6(to, mac, source, own, body)
    return _icmp4(to, mac, source, own, body)


def _icmp4(to: bytes, mac: bytes, source: IPAddress, own: IPAddress, body: bytes) -> bytes:
    body = body[:2] + frames.checksum(body).to_bytes(2, "big") + body[4:]
    assert isinstance(source, IPv4Address)
    return to + mac + b"\x08\x00" + _ipv4(source, own, 1, octets=20 + len(body)) + body


@contextmanager
def standing(role: Role, own: str, far: str, script: str = _TUNNEL) -> Iterator[subprocess.Popen[str]]:
    """The role's addresses on its adapter, a way to the far end, and a socket that has sent there."""
    family = "-6" if ":" in own else "-4"
    try:
        build(*{"eth0": UPLINK, "eth1": VLAN, role.device: role.space}.items())
        addresses(BOX, role.device, f"{own}/{'128' if ':' in own else '32'}")
        run("ip", "-n", BOX, family, "route", "add", far, "dev", role.device, "src", own)
        neighbour = ("lladdr", colon(mac_of(role.space)), "dev", role.device)
        run("ip", "-n", BOX, family, "neigh", "add", far, *neighbour)
        with beside(BOX, script, own, str(PORT), far, str(GATEWAY_PORT)) as socket:
            yield socket
    finally:
        tear_down()


def believed(far: str) -> bool:
    """Whether the kernel takes the path to the far end for smaller than the adapter."""
    return " mtu " in within(BOX, "ip", "route", "get", far)


@pytest.mark.parametrize("quote", QUOTES, ids=["udp", "udp behind options", "an answer"])
@pytest.mark.parametrize(("name", "own", "far"), CASES)
def test_nobody_tells_an_appliance_that_its_path_is_small(
    name: str, own: str, far: str, quote: Quote
) -> None:
    role = ROLES[name]
    with standing(role, own, far):
        ends = ip_address(own), ip_address(far)
        frame = told(mac_of(BOX, role.device), mac_of(role.space), ends[1], ends[0], quote(*ends))
        load(ruleset.render(compile_document(role.document, documents.FACTS).policy))
        with counted("drop_size"):
            send(role.space, frame)
        assert not believed(far)
        within(BOX, "nft", "flush", "ruleset")
        send(role.space, frame)
        assert believed(far), "the control: without the filter it is believed"


ERRORS = {
    4: (*((3, code) for code in (0, 1, 2, 3, 9, 10, 13)), (11, 0), (12, 0)),
    6: (*((1, code) for code in range(7)), (3, 0), (4, 0)),
}
"""Types and codes by IP version (RFC 792, RFC 1812; RFC 4443)."""
FORGED = 108


def heard(socket: subprocess.Popen[str]) -> tuple[bool, int]:
    """Whether the tunnel's socket sends its next packet, and how many errors it was told before."""
    assert socket.stdin is not None
    assert socket.stdout is not None
    socket.stdin.write("?\n")
    socket.stdin.flush()
    sent, errors = socket.stdout.readline().split()
    return sent == "1", int(errors)


@pytest.mark.parametrize(("name", "own", "far"), CASES)
def test_a_tunnel_is_told_a_few_errors_and_not_as_many_as_are_forged(name: str, own: str, far: str) -> None:
    """Each costs it the packet that it sends next. One is wanted: it names the cause."""
    role = ROLES[name]
    ends = ip_address(own), ip_address(far)
    kinds = itertools.islice(itertools.cycle(ERRORS[ends[0].version]), FORGED)
    with standing(role, own, far, _TOLD) as socket:
        to, mac = mac_of(BOX, role.device), mac_of(role.space)
        forged = [error(to, mac, ends[1], ends[0], kind) for kind in kinds]
        load(ruleset.render(compile_document(role.document, documents.FACTS).policy))
        assert heard(socket) == (True, 0)
        with counted("drop_error"):
            send(role.space, *forged)
        _, errors = heard(socket)
        assert 1 <= errors < FORGED / 3
        within(BOX, "nft", "flush", "ruleset")
        send(role.space, *forged)
        assert heard(socket) == (False, FORGED), "the control: without the filter all are heard"


def test_a_replica_tells_no_sizes_of_the_provider_s_tunnels() -> None:
    """From its VLAN, about the way to a gateway."""
    role = ROLES["provider"]
    own, far = role.ends[0]
    with standing(role, own, far):
        run("ip", "-n", BOX, "route", "add", VM4, "dev", "eth1")
        addresses(BOX, "eth1", "192.168.0.5/32")
        ends = ip_address("192.168.0.5"), ip_address(far)
        quoted = answer_to_an_echo(ip_address(own), ends[1])
        frame = told(mac_of(BOX, "eth1"), mac_of(VLAN), ip_address(VM4), ends[0], quoted)
        load(ruleset.render(compile_document(role.document, documents.FACTS).policy))
        with counted("drop_size"):
            send(VLAN, frame)
        assert not believed(far)
        within(BOX, "nft", "flush", "ruleset")
        send(VLAN, frame)
        assert believed(far), "the control: without the filter it is believed"
