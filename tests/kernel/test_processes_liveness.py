"""A silent peer is noticed over IPv4 and IPv6, by real echoes through a real device."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import time
from collections.abc import Iterator

import pytest

from causeway_agent.backends.processes import liveness
from causeway_agent.plan.steer.silence import LONGEST, SETTLING, Verdict
from tests.kernel.processes_lab import run

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(30)]

PAIRS = {4: ("100.64.9.2", "100.64.9.1"), 6: ("fd00:9::2", "fd00:9::1")}


@pytest.fixture
def far() -> Iterator[str]:
    """A namespace at the end of device `lv0`, with a peer address of each family."""
    name = f"lv{os.getpid() % 10000}"
    run("ip", "netns", "add", name)
    run("ip", "link", "add", "lv0", "type", "veth", "peer", "name", "lv0", "netns", name)
    for command in (("ip",), ("ip", "-n", name)):
        run(*command, "link", "set", "lv0", "up")
        for version, pair in PAIRS.items():
            address = pair[0] if command == ("ip",) else pair[1]
            prefix, flags = ("24", ()) if version == 4 else ("64", ("nodad",))
            run(*command, "address", "add", f"{address}/{prefix}", "dev", "lv0", *flags)
    yield name
    run("ip", "link", "delete", "lv0")
    run("ip", "netns", "delete", name)


@pytest.mark.parametrize("version", [4, 6])
async def test_a_peer_that_falls_silent_is_doubted_then_lost_and_known_again(far: str, version: int) -> None:
    local, peer = map(ipaddress.ip_address, PAIRS[version])
    with liveness.probe("lv0", (local, peer)) as probe:
        running = asyncio.create_task(probe.run())
        async with asyncio.timeout(5):
            await probe.first_answer()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await probe.becomes(Verdict.LOST)
        await asyncio.to_thread(run, "ip", "-n", far, "link", "set", "lv0", "down")
        async with asyncio.timeout(LONGEST + 5):
            await probe.becomes(Verdict.DOUBTFUL)
            await probe.becomes(Verdict.LOST)
        running.cancel()


async def test_a_peer_that_never_answered_is_doubted_after_settling(far: str) -> None:
    local, peer = ipaddress.ip_address(PAIRS[4][0]), ipaddress.ip_address("100.64.9.77")
    began = time.monotonic()
    with liveness.probe("lv0", (local, peer)) as probe:
        running = asyncio.create_task(probe.run())
        async with asyncio.timeout(8):
            await probe.becomes(Verdict.DOUBTFUL)
        running.cancel()
    assert time.monotonic() - began > SETTLING - 0.1


async def test_a_missing_device_is_said() -> None:
    local, peer = map(ipaddress.ip_address, PAIRS[4])
    with pytest.raises(OSError, match="No such device"), liveness.probe("nowhere0", (local, peer)):
        pass
