"""A guest that floods its segment with solicitations gets answers, and does not get the agent."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_network

import pytest

from causeway_agent.backends.segment import neighbour_responder, router_advertiser, router_frames
from causeway_agent.plan.model.processes import NeighbourResponder, RouterAdvertiser
from tests import neighbour_flood
from tests.kernel.serving import serving
from tests.kernel.stalls import stalls
from tests.neighbour_wire import OTHER_MAC, answers, claimed, icmpv6, mac_of, solicitation, soon
from tests.wired import beside, run, segment

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
        assert soon(_has_an_address), "nobody speaks as a router under an address that may be another's"
        yield


def _has_an_address() -> bool:
    shown = run("ip", "-6", "addr", "show", "dev", NIC, "scope", "link")
    return "fe80" in shown and "tentative" not in shown


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
    asked = _solicits(mac) if what == "neighbours" else asks_for_routers(mac)
    async with serving(SERVERS[what]), stalls() as longest:
        with beside(SPACE, _FLOOD, "host", asked.hex()):
            await asyncio.sleep(1.5)
        assert max(longest) < 0.6
        if what == "neighbours":
            another = _solicits(OTHER_MAC)
            assert await asyncio.to_thread(claimed, SPACE, another, seconds=2.0) == {BEHIND}
        else:
            heard = await asyncio.to_thread(answers, SPACE, asks_for_routers(OTHER_MAC), seconds=2.0)
            assert [each for each in heard if each[:6] == OTHER_MAC]


@pytest.mark.parametrize("varied", [False, True], ids=["one", "ever new ones"])
@pytest.mark.parametrize("what", SERVERS)
async def test_who_floods_a_segment_with_questions_leaves_the_others_their_answers(
    what: str, *, varied: bool
) -> None:
    """The others were there before; who comes meanwhile is not known from an enemy's many MAC addresses, and
    must have a chance: what the others ask in these moments is lost.
    """
    asks = _solicits if what == "neighbours" else asks_for_routers
    others = [asks(OTHER_MAC[:5] + bytes([number])) for number in (1, 2, 3)]
    async with serving(SERVERS[what]):
        assert await asyncio.to_thread(neighbour_flood.ask, SPACE, others, patience=3.0) == len(others)
        asked = others * (neighbour_flood.ASKS // len(others))
        flood = asks(mac_of(SPACE))
        answered = await neighbour_flood.answered(SPACE, asked, flood=flood, varied=varied)
        assert answered >= (neighbour_flood.ASKS // 2 if varied else neighbour_flood.ASKS - 3)


def _solicits(mac: bytes) -> bytes:
    return solicitation(mac, GUEST, BEHIND)
