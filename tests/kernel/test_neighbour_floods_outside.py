"""Machines next door to an appliance's uplink, gateway or management ask for its address under many names.

Every sender of such a question is remembered, in one table for all networks of the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv6Address, ip_address, ip_interface

import pytest
from msgspec.structs import replace

from causeway_agent.backends.segment import frames
from causeway_agent.plan.compile.base import compile_base
from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.filter import ruleset
from causeway_agent.plan.model.policy import Policy
from causeway_wire.desired import Desired
from tests import documents
from tests.kernel.test_ruleset_gateway import SIX, gateway
from tests.knocks import knocking
from tests.neighbour_wire import (
    SHARE,
    answers,
    arp,
    claimed,
    icmpv6,
    mac_of,
    neighbours,
    send,
    solicitation,
    soon,
)
from tests.wired import BOX, FAR, UPLINK, beside, between, counted, load, run, within

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

OWN = {UPLINK: ("10.9.0.2", "2001:db8:9::2"), FAR: ("203.0.113.10", "2001:db8:f::10")}
"""The appliance's addresses, by who is next door to them."""
DOOR = documents.management("2001:db8:9::2", sources=("2001:db8:9::/64",))
_ASK_ON = """
    import itertools, socket, sys, time
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((sys.argv[1], 0))
    listed = [bytes.fromhex(text) for text in sys.argv[2:]]
    for number, frame in enumerate(itertools.cycle(reversed(listed))):
        sock.send(frame)
        if number == 2000:
            print("ready", flush=True)
        if number >= 2000:
            time.sleep(0.0005)
"""
"""At rest it leaves a ration no moment in which to grow."""
IPV4 = 4
ASKED = 1000


def closed() -> Policy:
    """What is in force before any document."""
    document = gateway(SIX, 0)
    target = compile_base(management=document.management, nics=document.nics, facts=documents.FACTS)
    return target.policy


def of(document: Desired) -> Policy:
    return compile_document(document, documents.FACTS).policy


POLICIES: dict[str, Callable[[], Policy]] = {
    "gateway": lambda: of(gateway(SIX, 0)),
    "gateway without tunnels": lambda: of(documents.gateway()),
    "closed": closed,
    "provider": lambda: of(documents.provider(None)),
}


@pytest.fixture
def segments() -> Iterator[None]:
    with between():
        # As the targets say; else the kernel asks where senders live before it remembers them.
        names = ("all", "eth0", "eth1")
        within(BOX, "sysctl", "-qw", *(f"net.ipv4.conf.{name}.rp_filter=0" for name in names))
        within(BOX, "ip", "route", "add", "default", "via", "203.0.113.77")
        yield


def asked(space: str, version: int) -> list[bytes]:
    """As many questions for the appliance's address, each under another name."""
    mac, (four, six) = mac_of(space), OWN[space]
    if version == IPV4:
        return [arp(1, mac, f"192.168.{n // 250}.{n % 250 + 1}", four) for n in range(ASKED)]
    return [solicitation(mac, f"{six.rpartition(':')[0]}:7:{n:x}", six) for n in range(1, ASKED + 1)]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(
    ("name", "space"),
    [
        ("gateway", FAR),
        ("gateway", UPLINK),
        ("gateway without tunnels", FAR),
        ("closed", UPLINK),
        ("provider", UPLINK),
    ],
)
def test_who_asks_under_many_names_takes_few_places(
    segments: None, name: str, space: str, version: int
) -> None:
    load(ruleset.render(POLICIES[name]()))
    before = neighbours(BOX, version)
    with counted("drop_solicitation" if version != IPV4 else "drop_arp"):
        send(space, *asked(space, version))
        assert neighbours(BOX, version) - before < SHARE / 3


def told(question: bytes, asker: str) -> set[str]:
    """What is claimed in answer, to this asker and none of the others that have its MAC address."""
    to = ip_address(asker).packed  # at one place in ARP's packets and in IPv6's
    heard = [each for each in answers(FAR, question) if each[38:].startswith(to)]
    return {str(claim.address) for claim in map(frames.parse_claim, heard) if claim is not None}


@pytest.mark.parametrize("version", [4, 6])
def test_who_is_named_by_the_document_and_who_was_heard_are_answered_meanwhile(
    segments: None, version: int
) -> None:
    network, own = ("203.0.113.", OWN[FAR][0]) if version == IPV4 else ("2001:db8:f::", OWN[FAR][1])
    router, controller, heard = (f"{network}{host}" for host in (1, 8, 90))
    document = gateway(SIX, 0)
    gates = tuple(map(ip_address, ("203.0.113.1", "2001:db8:f::1")))
    public = replace(document.nics[1], gateways=gates)
    door = documents.management(own, nic=public.name, sources=(controller,))
    nics = (document.nics[0], public, *document.nics[2:])
    load(ruleset.render(of(replace(document, nics=nics, management=door))))

    def question(sender: str) -> bytes:
        mac = mac_of(FAR)
        return arp(1, mac, sender, own) if version == IPV4 else solicitation(mac, sender, own)

    assert claimed(FAR, question(heard)) == {own}
    with beside(FAR, _ASK_ON, "host", *(frame.hex() for frame in asked(FAR, version))):
        for sender in (router, controller, heard):
            assert own in told(question(sender), sender)


def test_who_knocks_at_the_agent_s_door_in_the_names_of_neighbours_takes_few_places(segments: None) -> None:
    document = replace(gateway(SIX, 0), management=DOOR)
    uplink = replace(
        document.nics[0], addresses=(*document.nics[0].addresses, ip_interface("2001:db8:9::2/64"))
    )
    load(ruleset.render(of(replace(document, nics=(uplink, *document.nics[1:])))))
    run("ip", "-n", BOX, "-6", "neigh", "flush", "dev", "eth0")
    with counted("drop_scan"), knocking(UPLINK, "2001:db8:9::", "2001:db8:9::2", 8443):
        assert not soon(lambda: neighbours(BOX, 6) > SHARE, seconds=1.5)


def met() -> int:
    """Neighbours over IPv6 whose answers are not rationed."""
    return within(BOX, "nft", "list", "set", "inet", "causeway", "met6").count("expires")


def advertisement(mac: bytes, sender: str) -> bytes:
    """An unsolicited neighbour advertisement to the appliance (RFC 4861, 4.4)."""
    here, own = IPv6Address(sender), IPv6Address(OWN[FAR][1])
    body = bytes([136, 0, 0, 0, 0x20, 0, 0, 0]) + here.packed + b"\2\1" + mac
    return icmpv6(mac, mac_of(BOX, "eth1"), here, own, body)


def test_who_tells_of_many_names_or_asks_under_them_makes_few_known(segments: None) -> None:
    """To knock in their names afterwards: nobody looks then for neighbours that are not there."""
    load(ruleset.render(of(gateway(SIX, 0))))
    mac, names = mac_of(FAR), [f"2001:db8:f::1:{number:x}" for number in range(150)]
    send(FAR, *(advertisement(mac, name) for name in names))
    assert met() == 0
    with counted("drop_solicitation"):
        send(FAR, *(solicitation(mac, name, OWN[FAR][1]) for name in names))
    assert 1 <= met() < len(names)
