"""The kernel tells of every change to what we own, and losing messages is told too."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import pytest

from causeway_agent.backends.filter import nft_elements
from causeway_agent.backends.filter.publications import NftPublications
from causeway_agent.backends.kernel import rtnl
from causeway_agent.plan.filter import ruleset
from causeway_agent.plan.model.policy import Policy
from tests.real_kernel import NIC, TUN, adapters, address, ip

pytestmark = pytest.mark.kernel


def nft(text: str) -> None:
    subprocess.run(("nft", "-f", "-"), input=text, text=True, check=True)


class Told:
    """A stream read by one task at a time: a generator whose read is cancelled would end."""

    def __init__(self, stream: AsyncIterator[str]) -> None:
        self._stream = stream
        self._reader: asyncio.Future[str] | None = None

    async def next(self, *, seconds: float = 3.0) -> str | None:
        """What is told next; None when nothing is, for so long."""
        self._reader = self._reader or asyncio.ensure_future(anext(self._stream))
        done, _ = await asyncio.wait({self._reader}, timeout=seconds)
        if not done:
            return None
        reader, self._reader = self._reader, None
        return reader.result()

    async def words(self) -> set[str]:
        return set((await self.next() or "").split(","))

    async def quiet(self) -> None:
        while await self.next(seconds=0.3):
            pass

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)


@pytest.fixture
async def events() -> AsyncIterator[Told]:
    """A stream that has told all about the making of the adapters."""
    with adapters():
        async with rtnl.RtnlKernel.open() as kernel:
            await kernel.put(address("192.0.2.1/24"))
            told = Told(kernel.events())
            await told.quiet()
            yield told
            await told.close()


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("link", "set", NIC, "mtu", "1400"), "link"),
        (("address", "add", "198.51.100.1/32", "dev", NIC), "address"),
        (("-6", "address", "add", "2001:db8::1/64", "dev", NIC, "nodad"), "address"),
        (("route", "add", "203.0.113.0/24", "dev", NIC), "route"),
        (("-6", "route", "add", "2001:db8:5::/64", "dev", NIC), "route"),
        (("rule", "add", "iif", NIC, "lookup", "1195", "protocol", "202"), "rule"),
        (("-6", "rule", "add", "iif", NIC, "lookup", "1195", "protocol", "202"), "rule"),
        (("tuntap", "add", "dev", TUN.device, "mode", "tun"), "link"),
    ],
)
async def test_a_change_is_told(events: Told, command: tuple[str, ...], reason: str) -> None:
    ip(*command)
    assert reason in await events.words()


async def test_a_change_of_the_rules_is_told(events: Told) -> None:
    feed("nft", "-f", "-", text="add table ip mine\ndelete table ip mine\n")
    assert await events.words() == {"filter"}


async def test_a_burst_is_told_in_few_words(events: Told) -> None:
    feed("ip", "-batch", "-", text="".join(f"route add 10.50.0.{n} dev {NIC}\n" for n in range(200)))
    assert await events.words() == {"route"}
    assert await events.next(seconds=0.3) is None


async def test_lost_messages_are_told_and_the_stream_goes_on(events: Told) -> None:
    routes = (f"route add 10.{n // 250}.{n % 250}.0/24 dev {NIC}\n" for n in range(5000))
    feed("ip", "-batch", "-", text="".join(routes))
    assert "overflow" in await events.words()
    await events.quiet()
    ip("link", "set", NIC, "mtu", "1300")
    assert "link" in await events.words()


def feed(*command: str, text: str) -> None:
    subprocess.run(command, input=text, text=True, check=True, capture_output=True)


async def test_a_large_change_of_public_rules_is_no_news_unless_somebody_else_was_there(
    events: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = {"published4": {bytes(8) + (port << 16).to_bytes(4, "big"): b"" for port in range(1, 1001)}}
    nft(ruleset.render(Policy()))
    assert await events.words() == {"filter"}
    async with NftPublications.open() as publications:
        await publications.apply({}, ports)
        # An address of an earlier moment may still settle; only the filter is what must not be told of.
        assert "filter" not in (await events.next(seconds=0.6) or "")
        change = nft_elements.change

        def disturbed(*arguments: Any) -> int:
            nft("add table ip foreign")
            return change(*arguments)

        monkeypatch.setattr(nft_elements, "change", disturbed)
        await publications.apply(ports, {})
        assert "filter" in await events.words()
    nft("flush ruleset")
    assert "filter" in await events.words()
