"""A guest answers whenever an adapter asks if its link-local address is free: IPv6 goes on all the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from causeway_agent.plan.compile import adapters
from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.filter import ruleset
from causeway_wire.desired import Partial
from tests import documents
from tests.neighbour_wire import colon, mac_of, soon
from tests.wired import BOX, FAR, VLAN, addresses, beside, build, load, pings, run, tear_down, within

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

REPLICA, HOST = "2001:db8::20", "2001:db8::30"
PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20", REPLICA),))
DEFAULT = "net.ipv6.conf.eth1.accept_dad=1"
"""What the kernel gives to a new adapter."""
_LIAR = """
    import socket
    from causeway_agent.backends.segment import frames
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.bind(("host", 3))
    membership = socket.if_nametoindex("host").to_bytes(4, "little") + bytes([2, 0]) + bytes(10)
    sock.setsockopt(263, 1, membership)
    mac = sock.getsockname()[4]
    print("ready", flush=True)
    while True:
        frame, origin = sock.recvfrom(2048)
        asked = frames.parse_solicitation(frame) if origin[2] != 4 else None
        if asked is not None and asked.source.is_unspecified:
            for lie in frames.announcements(asked.target, mac):
                sock.send(lie)
"""


@pytest.fixture
def provider() -> Iterator[None]:
    """A provider appliance, a replica that has not been heard yet, and production behind a cable."""
    build(("eth1", VLAN), ("cwu1195", FAR))
    try:
        addresses(VLAN, "host", f"{REPLICA}/64")
        addresses(FAR, "host", f"{HOST}/64")
        for route, device in (("2001:db8::/64", "cwu1195"), (f"{REPLICA}/128", "eth1")):
            run("ip", "-n", BOX, "route", "add", route, "dev", device)
        run("ip", "-n", FAR, "neigh", "add", REPLICA, "lladdr", colon(mac_of(BOX, "cwu1195")), "dev", "host")
        run("ip", "-n", BOX, "neigh", "add", HOST, "lladdr", colon(mac_of(FAR)), "dev", "cwu1195")
        run("ip", "-n", VLAN, "neigh", "add", HOST, "lladdr", colon(mac_of(BOX, "eth1")), "dev", "host")
        load(ruleset.render(compile_document(documents.provider(PARTIAL), documents.FACTS).policy))
        yield
    finally:
        tear_down()


def comes_up(*settings: str) -> None:
    """The adapter loses its link and gets it back, with these settings."""
    run("ip", "-n", BOX, "link", "set", "eth1", "down")
    within(BOX, "sysctl", "-qw", DEFAULT, *settings)
    run("ip", "-n", BOX, "link", "set", "eth1", "up")
    run("ip", "-n", BOX, "route", "replace", f"{REPLICA}/128", "dev", "eth1")
    assert soon(lambda: "tentative" not in linked() or "dadfailed" in linked())


def linked() -> str:
    return run("ip", "-n", BOX, "-6", "-o", "address", "show", "dev", "eth1", "scope", "link")


def test_a_guest_that_claims_every_address_takes_ipv6_from_nobody(provider: None) -> None:
    ours = (one for one in adapters.settings("eth1") if one.key.startswith("net/ipv6/conf/"))
    with beside(VLAN, _LIAR):
        comes_up()
        assert "dadfailed" in linked(), "the control: so it is with the kernel's settings"
        assert not pings(FAR, REPLICA, source=HOST)
        comes_up(*(f"{one.key}={one.value}" for one in ours))
        assert "dadfailed" not in linked()
        assert soon(lambda: pings(FAR, REPLICA, source=HOST))
