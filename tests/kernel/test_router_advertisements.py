"""Router advertisements: what the kernel of a booting replica makes of them, and of the last one."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from ipaddress import IPv6Address, ip_network

import pytest

from causeway_agent import errors
from causeway_agent.backends.segment import router_advertiser, router_frames
from causeway_agent.plan.model.processes import RouterAdvertiser
from tests.kernel.serving import serving
from tests.neighbour_wire import answers, icmpv6, mac_of
from tests.wired import run, segment

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

NIC, SPACE = "cwrouter0", "cwrouted"
SPEC = RouterAdvertiser(
    device=NIC,
    prefixes=(ip_network("2001:db8:7::/64"),),
    mtu=1400,
    lifetime=1800,
    managed=False,
    other=True,
    autonomous=True,
)


@pytest.fixture(autouse=True)
def replica() -> Iterator[None]:
    """A replica on our segment that listens to routers."""
    with segment(NIC, SPACE, "accept_ra=1", "accept_dad=0", "router_solicitation_delay=0"):
        yield


def advertising(spec: RouterAdvertiser = SPEC) -> AbstractAsyncContextManager[object]:
    return serving(functools.partial(router_advertiser.advertise, spec))


def routers() -> list[str]:
    """The replica's default routers."""
    listed = json.loads(run("ip", "-j", "-n", SPACE, "-6", "route", "show", "default") or "[]")
    return [entry["gateway"] for entry in listed]


def addresses() -> list[str]:
    """The replica's addresses but its link-local one."""
    listed = json.loads(run("ip", "-j", "-n", SPACE, "-6", "addr", "show", "dev", "host", "scope", "global"))
    return [info["local"] for entry in listed for info in entry.get("addr_info", ()) if "local" in info]


def ours() -> list[str]:
    """Our link-local address."""
    listed = json.loads(run("ip", "-j", "-6", "addr", "show", "dev", NIC, "scope", "link"))
    return [info["local"] for entry in listed for info in entry.get("addr_info", ()) if "local" in info]


async def becomes(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)


async def test_a_replica_finds_its_router_and_its_address_and_is_told_when_it_goes() -> None:
    async with advertising():
        await becomes(lambda: bool(routers()) and bool(addresses()))
        assert routers() == await asyncio.to_thread(ours)
        assert all(address.startswith("2001:db8:7:") for address in addresses())
        mtu = run("ip", "netns", "exec", SPACE, "cat", "/proc/sys/net/ipv6/conf/host/mtu")
        assert mtu.strip() == "1400"
    await router_advertiser.take_leave(SPEC)
    await becomes(lambda: not routers())
    assert addresses()


async def test_hosts_make_no_addresses_where_the_document_says_so() -> None:
    async with advertising(replace(SPEC, autonomous=False)):
        await becomes(lambda: bool(routers()))
        await asyncio.sleep(1)
        assert not addresses()


async def test_who_asks_is_answered_and_who_cannot_be_a_neighbour_is_not() -> None:
    async with advertising():
        await becomes(lambda: bool(routers()))
        mac = await asyncio.to_thread(mac_of, SPACE)
        everyone = IPv6Address("ff02::2")
        source = IPv6Address("fe80::77")
        body = bytes([router_frames.SOLICITATION, 0, 0, 0, 0, 0, 0, 0])
        asked = icmpv6(mac, b"\x33\x33\0\0\0\2", source, everyone, body)
        heard = [each for each in await asyncio.to_thread(answers, SPACE, asked) if _advertises(each)]
        assert [(each[:6], each[38:54]) for each in heard] == [(mac, source.packed)]
        assert heard[0][54 + 5] == 0x40  # O without M
        routed = asked[:21] + bytes([64]) + asked[22:]
        assert not [each for each in await asyncio.to_thread(answers, SPACE, routed) if _advertises(each)]


async def test_an_adapter_that_is_missing_is_an_error_that_names_it() -> None:
    with pytest.raises(errors.BackendError, match="cwnosuch"):
        await router_advertiser.advertise(replace(SPEC, device="cwnosuch"), lambda: None)


def _advertises(frame: bytes) -> bool:
    return frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == router_frames.ADVERTISEMENT
