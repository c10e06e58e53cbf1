"""What the observed document tells of the machine, and that it is told whatever fails."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest

from causeway_agent.engine import report
from causeway_agent.errors import BackendError
from causeway_wire.observed import CounterReport, NicReport
from tests.fakes.firewall import FakeFirewall


class Refusing(FakeFirewall):
    async def counters(self) -> dict[str, tuple[int, int]]:
        raise BackendError("read", "refused")


class Hanging(FakeFirewall):
    async def counters(self) -> dict[str, tuple[int, int]]:
        await asyncio.sleep(60)
        return {}


async def test_counters_are_told_by_name() -> None:
    assert await report.counters(FakeFirewall()) == (CounterReport(name="drop_input", packets=1, bytes=60),)


@pytest.mark.parametrize("firewall", [Refusing(), Hanging()])
async def test_a_packet_filter_that_does_not_answer_hides_nothing_else(
    firewall: FakeFirewall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "COUNTERS_SECONDS", 0.01)
    assert await report.counters(firewall) == ()


def test_addresses_of_all_adapters_are_held() -> None:
    nic = NicReport(device="eth0", mac="02:00:00:00:00:01", up=True, addresses=("192.0.2.1/24", "fe80::1/64"))
    assert report.held([nic]) == {ip_address("192.0.2.1"), ip_address("fe80::1")}
