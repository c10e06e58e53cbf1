"""What a watch of the lab calls lost never arrived: answers under way when it ends are none of that."""

from __future__ import annotations

import asyncio
import subprocess

import pytest

from causeway_lab.world import probes

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

LATE = 0.1
"""Seconds that an answer is under way."""


class LateEcho(asyncio.DatagramProtocol):
    """Answers late, and not at all once it has answered `most`."""

    def __init__(self, most: int) -> None:
        self.left = most

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.left -= 1
        if self.left >= 0:
            asyncio.get_running_loop().call_later(LATE, self.transport.sendto, data, addr)


@pytest.fixture(autouse=True)
def loopback() -> None:
    subprocess.run(("ip", "link", "set", "lo", "up"), check=True)


async def watched(most: int) -> probes.Result:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: LateEcho(most), local_addr=("127.0.0.1", 0))
    first = asyncio.Event()
    port = transport.get_extra_info("sockname")[1]
    watch = asyncio.create_task(
        probes.watch(address="127.0.0.1", port=port, report=lambda _: first.set(), seconds=30, patience=2)
    )
    async with asyncio.timeout(10):
        await first.wait()
    watch.cancel()
    try:
        return await watch
    finally:
        transport.close()
        await asyncio.sleep(0)


async def test_answers_under_way_are_waited_for_and_those_that_never_come_are_not() -> None:
    whole = await watched(most=1_000_000)
    assert whole["sent"] == whole["received"] > 1
    some = await watched(most=5)
    assert some["received"] == 5 < some["sent"]
