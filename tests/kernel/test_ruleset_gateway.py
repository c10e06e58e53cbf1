"""The gateway's ruleset under real datagrams: first packets, admitted flows, floods, in both IP versions."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.filter import ruleset
from causeway_agent.plan.model.policy import Policy
from causeway_wire.desired import Desired
from tests import documents
from tests.wired import (
    BOX,
    FAR,
    UPLINK,
    addresses,
    beside,
    between,
    build,
    counted,
    drops,
    load,
    python,
    run,
    tear_down,
    within,
)

pytestmark = pytest.mark.kernel


@dataclass(frozen=True)
class Family:
    """Addresses of one IP version: the gateway's public and inside ones, a client's, the server's."""

    version: int
    public: str
    client: str
    server: str
    inside: str

    @property
    def suffix(self) -> str:
        return "" if self.version == 4 else "6"


FOUR = Family(4, "203.0.113.10", "203.0.113.77", "10.9.0.20", "10.9.0.2")
SIX = Family(6, "2001:db8:f::10", "2001:db8:f::77", "2001:db8:9::20", "2001:db8:9::2")
TAG, OTHER_TAG = (bytes.fromhex(documents.key_tag(index)) for index in range(2))


def gateway(family: Family, *indexes: int) -> Desired:
    """The gateway with these tunnels, whose servers are of this family."""
    tunnels = (documents.gateway_tunnel(index) for index in indexes)
    server = ipaddress.ip_address(family.server)
    return documents.gateway(*(documents.replace(tunnel, server=server) for tunnel in tunnels))


def policy(document: Desired) -> Policy:
    return compile_document(document, documents.FACTS).policy


@pytest.fixture(params=[FOUR, SIX], ids=["ipv4", "ipv6"])
def gate(request: pytest.FixtureRequest) -> Iterator[Family]:
    """The gateway: `eth1` is public, `eth0` leads to the tunnels' servers."""
    with between():
        family: Family = request.param
        load(ruleset.render(policy(gateway(family, 0, 1))))
        within(BOX, "ip", "route", "add", "default", "via", "203.0.113.77")
        within(BOX, "ip", "-6", "route", "add", "default", "via", "2001:db8:f::77")
        yield family


def first_packet(tag: bytes = TAG, *, opcode: int = 10, before: int = 54) -> bytes:
    """What the kernel can know of one: an opcode, and a wrapped key behind 54 octets."""
    return bytes((opcode << 3,)) + os.urandom(before - 1) + tag + os.urandom(300)


SEND = """
    import ipaddress, json, socket, struct, sys, time
    to, sources, ports, payloads, rate = json.loads(sys.stdin.read())
    target = ipaddress.ip_address(to)
    six = target.version == 6
    raw = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    if six:
        raw.setsockopt(41, 36, 1)  # IPV6_HDRINCL
    began = time.monotonic()
    for index in range(max(map(len, (sources, ports, payloads)))):
        source = ipaddress.ip_address(sources[index % len(sources)])
        body = bytes.fromhex(payloads[index % len(payloads)])
        length = 8 + len(body)
        udp = struct.pack("!HHHH", ports[index % len(ports)], 6180, length, 0) + body
        if six:
            pseudo = source.packed + target.packed + struct.pack("!II", length, 17) + udp + bytes(length % 2)
            total = sum(struct.unpack("!%dH" % (len(pseudo) // 2), pseudo))
            while total >> 16:
                total = (total & 0xFFFF) + (total >> 16)
            udp = udp[:6] + struct.pack("!H", ~total & 0xFFFF or 0xFFFF) + udp[8:]
            packet = struct.pack("!IHBB", 6 << 28, length, 17, 64) + source.packed + target.packed + udp
        else:
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, 17, 0)
            packet = head + source.packed + target.packed + udp
        raw.sendto(packet, (to, 0))
        if rate and (ahead := index / rate - (time.monotonic() - began)) > 0:
            time.sleep(ahead)
"""


def send(
    family: Family,
    *payloads: bytes,
    sources: tuple[str, ...] = (),
    ports: tuple[int, ...] = (5000,),
    rate: int = 0,
) -> None:
    """Send datagrams to the public port; the longest list says how many, `rate` how many a second."""
    told = [family.public, sources or (family.client,), ports, [one.hex() for one in payloads], rate]
    run("ip", "netns", "exec", FAR, sys.executable, "-c", textwrap.dedent(SEND), text=json.dumps(told))


@contextmanager
def listening(family: Family) -> Iterator[list[tuple[str, int]]]:
    """The filter's place: the sources of all packets that came by, filled in at the end."""
    script = """
        import socket, sys, time
        kind = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
        s = socket.socket(kind, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
        s.bind((sys.argv[1], 6180))
        print("ready", flush=True)
        sys.stdin.readline()
        time.sleep(0.2)
        s.setblocking(False)
        while True:
            try:
                print(*s.recvfrom(4096)[1][:2])
            except BlockingIOError:
                break
    """
    found: list[tuple[str, int]] = []
    with beside(BOX, script, family.public) as listener:
        yield found
        said, _ = listener.communicate("now\n", timeout=20)
        found += [(host, int(port)) for host, port in (line.split() for line in said.splitlines())]


@contextmanager
def answering(address: str, port: int) -> Iterator[None]:
    """A tunnel's server: an UDP server that tells from where it was asked."""
    script = """
        import socket, sys
        kind = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
        s = socket.socket(kind, socket.SOCK_DGRAM)
        s.bind((sys.argv[1], int(sys.argv[2])))
        print("ready", flush=True)
        while True:
            data, origin = s.recvfrom(2000)
            s.sendto(origin[0].encode(), origin)
    """
    with beside(UPLINK, script, address, str(port)):
        yield


def ask(family: Family, port: int = 5000) -> str:
    """Send a datagram of an ordinary client; what the tunnel's server answers, or nothing."""
    script = """
        import socket, sys
        kind = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
        s = socket.socket(kind, socket.SOCK_DGRAM)
        s.bind((sys.argv[1], int(sys.argv[3])))
        s.settimeout(0.5)
        s.sendto(b"H" * 90, (sys.argv[2], 6180))
        try:
            print(s.recv(100).decode())
        except TimeoutError:
            pass
    """
    return python(FAR, script, family.client, family.public, str(port))


def element(name: str, *listed: str) -> None:
    text = f"add element inet causeway {name} {{ {', '.join(listed)} }}\n"
    run("ip", "netns", "exec", BOX, "nft", "-f", "-", text=text)


def admit(family: Family) -> None:
    flow = f"{family.client} . 5000"
    element(f"flows{family.suffix}", f"{flow} : {family.server} . 1195")
    element(f"known{family.suffix}", flow)


def size(name: str) -> int:
    """How many elements a set has."""
    listed = within(BOX, "nft", "-j", "list", "set", "inet", "causeway", name)
    return len(re.findall(r'"expires"', listed))


def expiry(name: str) -> float:
    """Seconds until the flow is forgotten."""
    listed = within(BOX, "nft", "-j", "list", "set", "inet", "causeway", name)
    return float(re.findall(r'"expires": (\d+)', listed)[0])


def near(family: Family, number: int) -> str:
    """Some other source, far away."""
    return f"100.{number >> 8}.{number & 255}.9" if family.version == 4 else f"2001:db8:{number:x}::9"


def test_a_first_packet_with_a_known_key_reaches_the_filter_and_only_it(gate: Family) -> None:
    with answering(gate.server, 1195), listening(gate) as seen:
        send(gate, first_packet())
    assert seen == [(gate.client, 5000)]


def test_questions_with_a_known_key_reach_the_filter_within_a_budget_of_their_own(gate: Family) -> None:
    with listening(gate) as seen, counted("drop_flood"):
        send(gate, *(first_packet(opcode=31) for _ in range(1000)), ports=(5001,))
    assert 200 <= len(seen) < 500
    with listening(gate) as seen:
        send(gate, first_packet())
    assert seen == [(gate.client, 5000)]


def test_what_cannot_be_a_first_packet_of_a_known_key_ends_in_the_kernel(gate: Family) -> None:
    payloads = (
        b"",
        b"hello",
        first_packet(os.urandom(32)),
        first_packet(TAG[1:] + TAG[:1]),
        first_packet(before=55),
        first_packet()[:69],
        *(first_packet(opcode=opcode) for opcode in range(31) if opcode != 10),
        first_packet(os.urandom(32), opcode=31),
    )
    before = drops()["drop_stranger"]
    with listening(gate) as seen:
        for payload in payloads:
            send(gate, payload)
    assert seen == []
    assert drops()["drop_stranger"] - before == len(payloads)


def test_an_admitted_flow_is_carried_by_the_kernel_and_hides_its_source(gate: Family) -> None:
    with answering(gate.server, 1195):
        assert not ask(gate)
        admit(gate)
        assert ask(gate) == gate.inside


def test_traffic_keeps_a_flow_known(gate: Family) -> None:
    with answering(gate.server, 1195):
        admit(gate)
        time.sleep(2.2)
        assert expiry(f"known{gate.suffix}") <= 298
        assert ask(gate)
        assert expiry(f"known{gate.suffix}") >= 299


def test_a_flow_is_mapped_as_long_as_it_is_known(gate: Family) -> None:
    """Not less: a known flow without a server would be handed to the filter, and stay there."""
    admit(gate)
    listed = within(BOX, "nft", "list", "map", "inet", "causeway", f"flows{gate.suffix}")
    assert f"{gate.client} . 5000 : {gate.server} . 1195" in listed
    assert "expires" not in listed


def test_a_flow_to_a_server_that_is_no_longer_named_is_cut(gate: Family) -> None:
    with answering(gate.server, 1195):
        admit(gate)
        assert ask(gate)
        load(ruleset.render(policy(gateway(gate, 1))))
        with counted("drop_forward"):
            assert not ask(gate)


def test_what_the_filter_says_itself_makes_no_tracked_flow_of_its_port(gate: Family) -> None:
    """Else connection tracking would take the client for known before it is, and never translate it."""
    script = """
        import socket, sys
        kind = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
        s = socket.socket(kind, socket.SOCK_DGRAM)
        s.bind((sys.argv[1], 6180))
        s.sendto(b"hello", (sys.argv[2], 5000))
    """
    python(BOX, script, gate.public, gate.client)
    with answering(gate.server, 1195):
        admit(gate)
        assert ask(gate) == gate.inside


def test_one_source_cannot_spend_the_filter_s_time(gate: Family) -> None:
    """4,000 a second and 200 at once in the crowd, however long a busy machine takes to send them."""
    began = time.monotonic()
    with listening(gate) as seen, counted("drop_flood"):
        send(gate, first_packet(), ports=tuple(range(10000, 20000)))
        send(gate, first_packet(OTHER_TAG), sources=(near(gate, 1),))
    assert len(seen) < 300 + 4010 * (time.monotonic() - began)
    assert seen[-1][0] == near(gate, 1)


def test_a_flood_of_made_up_packets_spares_admitted_flows_and_strangers_with_a_key(gate: Family) -> None:
    with answering(gate.server, 1195), listening(gate) as seen:
        admit(gate)
        sources = tuple(near(gate, number) for number in range(5000))
        send(gate, first_packet(os.urandom(32)), sources=sources)
        assert ask(gate) == gate.inside
        send(gate, first_packet(), sources=(near(gate, 7),))
    assert seen == [(near(gate, 7), 5000)]


@pytest.mark.parametrize("forged", ["its own address", "the owner's address", "any address"])
def test_who_copies_a_key_s_tag_locks_its_owner_out_from_nowhere(gate: Family, forged: str) -> None:
    """4,000 packets a second with the tag of the owner's key, and the owner among them."""
    owner = near(gate, 200)
    sources = {
        "its own address": (gate.client,),
        "the owner's address": (owner,),
        "any address": tuple(near(gate, number) for number in range(2, 8002)),
    }[forged]
    ports = tuple(range(10000, 18000))
    with listening(gate) as seen:
        send(gate, first_packet(), sources=sources, ports=ports, rate=4000)
        for _ in range(5):
            send(gate, first_packet(), sources=(owner,), ports=(999,))
    assert (owner, 999) in seen


def test_sources_of_one_ipv6_prefix_share_a_budget() -> None:
    build(("eth0", UPLINK), ("eth1", FAR))
    try:
        addresses(BOX, "eth1", "2001:db8:f::10/64")
        addresses(FAR, "host", "2001:db8:f::77/64")
        load(ruleset.render(policy(gateway(SIX, 0))))
        send(SIX, first_packet(), sources=tuple(f"2001:db8:a::{n:x}" for n in range(1, 300)))
        assert size("tries6") == 1
        send(SIX, first_packet(), sources=tuple(f"2001:db8:b:{n:x}::1" for n in range(1, 30)))
        assert size("tries6") == 30
    finally:
        tear_down()


def test_a_full_set_lets_no_more_through_than_one_key_s_budget_and_spares_known_flows(gate: Family) -> None:
    masked = "tries" if gate.version == 4 else "tries6"
    number = 65536
    if gate.version == 4:
        filled = (f"10.{n >> 16}.{n >> 8 & 255}.{n & 255} timeout 1h" for n in range(number))
    else:
        filled = (f"2001:db8:{n >> 8:x}:{n & 255:x}:: timeout 1h" for n in range(number))
    element(masked, *filled)
    sources = tuple(near(gate, n) for n in range(1, 10000))
    with answering(gate.server, 1195), listening(gate) as seen, counted("drop_flood"):
        admit(gate)
        send(gate, first_packet(), sources=sources)
        assert ask(gate) == gate.inside
    assert 0 < len(seen) < 5000


def test_data_packets_of_unknown_flows_reach_the_filter_from_where_tunnels_are(gate: Family) -> None:
    home, there, elsewhere = {
        4: ("100.1.2.0", "100.1.2.77", "100.1.3.77"),
        6: ("2001:db8:1:100::", "2001:db8:1:1ff::7", "2001:db8:1:200::7"),
    }[gate.version]
    element(f"homes{gate.suffix}", home)
    with listening(gate) as seen:
        send(gate, first_packet(opcode=9), sources=(there, elsewhere))
    assert seen == [(there, 5000)]
    with listening(gate) as seen, counted("drop_flood"):
        send(gate, first_packet(opcode=9), sources=(there,), ports=tuple(range(10000, 20000)))
        send(gate, first_packet(), sources=(there,))
    assert len(seen) < 5000
    assert seen[-1] == (there, 5000)
