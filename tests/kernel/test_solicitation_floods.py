"""A guest that floods its segment with solicitations gets answers, and does not get the agent."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_network

import pytest

from causeway_agent.backends.segment import neighbour_responder, router_advertiser, router_frames
from causeway_agent.plan.model.processes import NeighbourResponder, RouterAdvertiser
from tests.kernel.serving import serving
from tests.kernel.stalls import stalls
from tests.neighbour_wire import OTHER_MAC, answers, claimed, icmpv6, mac_of, solicitation
from tests.wired import beside, segment

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

NIC, SPACE = "cwflood0", "cwflooding"
GUEST, BEHIND = "2001:db8::20", "2001:db8::30"
PREFIXES = (ip_network("2001:db8::/64"),)
RESPONDER = NeighbourResponder(
    device=NIC, prefixes=PREFIXES, excluded=(), askers=frozenset({IPv6Address(GUEST)})
)
ADVERTISER = RouterAdvertiser(
    device=NIC, prefixes=PREFIXES, mtu=1400, lifetime=1800, managed=False, other=True, autonomous=True
)
ROUTERS = IPv6Address("ff02::2")
_FLOOD = """
    import socket, sys, time
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((sys.argv[1], 0))
    frame = bytes.fromhex(sys.argv[2])
    print("ready", flush=True)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        try:
            sock.send(frame)
        except OSError:
            pass
"""


@pytest.fixture(autouse=True)
def guest() -> Iterator[None]:
    with segment(NIC, SPACE, "accept_dad=0"):
        yield


def asks_for_routers(mac: bytes) -> bytes:
    body = bytes([router_frames.SOLICITATION, 0, 0, 0, 0, 0, 0, 0, 1, 1]) + mac
    return icmpv6(mac, b"\x33\x33" + ROUTERS.packed[-4:], IPv6Address("fe80::20"), ROUTERS, body)


SERVERS = {
    "neighbours": functools.partial(neighbour_responder.respond, RESPONDER),
    "routers": functools.partial(router_advertiser.advertise, ADVERTISER),
}


@pytest.mark.parametrize("what", SERVERS)
async def test_who_floods_a_segment_with_questions_holds_nobody_up(what: str) -> None:
    mac = mac_of(SPACE)
    asked = solicitation(mac, GUEST, BEHIND) if what == "neighbours" else asks_for_routers(mac)
    async with serving(SERVERS[what]), stalls() as longest:
        with beside(SPACE, _FLOOD, "host", asked.hex()):
            await asyncio.sleep(1.5)
        assert max(longest) < 0.6
        if what == "neighbours":
            another = solicitation(OTHER_MAC, GUEST, BEHIND)
            assert await asyncio.to_thread(claimed, SPACE, another, seconds=2.0) == {BEHIND}
        else:
            heard = await asyncio.to_thread(answers, SPACE, asks_for_routers(OTHER_MAC), seconds=2.0)
            assert [each for each in heard if each[:6] == OTHER_MAC]
