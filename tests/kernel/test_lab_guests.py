"""Machines, guests and captures of the lab: what every proof about appliances rests on."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import pytest

from causeway_lab.assembly.lab import Lab
from causeway_lab.assembly.machines import Machines
from causeway_lab.world import capture, namespaces, probes, topology
from causeway_lab.world.console import GuestError

pytestmark = pytest.mark.kernel

WEB, DB, OUTSIDE = "acme-web1", "acme-db1", topology.INTERNET_HOST
DB_ADDRESSES = [ipaddress.ip_address("192.168.10.12"), ipaddress.ip_address("2001:db8:10::12")]
DB4, DB6 = DB_ADDRESSES
OUTSIDE4 = ipaddress.ip_address("203.0.113.99")
NOBODY_HOME = ipaddress.ip_address("192.168.10.77")


@pytest.fixture
def machines(lab: Lab) -> Machines:
    """The running lab's machines."""
    return lab.machines


@pytest.mark.parametrize("address", DB_ADDRESSES, ids=str)
async def test_guests_reach_each_other(machines: Machines, address: ipaddress.IPv4Address) -> None:
    web = machines.console(WEB)
    assert (await web.ping(address, count=3)).all_answered
    assert (await web.http(address))["host"] == DB
    assert (await web.call("udp", address=str(address), size=3000))["answered"]
    assert (await web.call("tcp", address=str(address), size=1_000_000))["answered"]


async def test_df_forbids_what_does_not_fit(machines: Machines) -> None:
    web = machines.console(WEB)
    assert (await web.ping(DB4, size=1472, df=True)).all_answered
    assert (await web.ping(DB4, size=1473, df=True)).error == "Message too long"
    assert (await web.ping(DB4, size=8000)).all_answered


async def test_no_answer_is_a_result(machines: Machines) -> None:
    web = machines.console(WEB)
    assert (await web.ping(NOBODY_HOME, patience=0.1)).received == 0
    assert (await web.http(NOBODY_HOME))["status"] is None
    assert (await web.call("connect", address=str(DB4), port=23))["state"] == "refused"


async def test_the_internet_sees_the_production_gateway(machines: Machines) -> None:
    assert (await machines.console(WEB).http(OUTSIDE4))["client"] == "203.0.113.21"


async def test_a_powered_off_vm_is_silent_and_comes_back(machines: Machines) -> None:
    web = machines.console(WEB)
    watch = web.watch(DB4)
    await watch.wait_first(5)
    await machines.power_off(DB)
    assert not await web.reaches(DB4, patience=0.3)
    with pytest.raises(GuestError):
        machines.console(DB)
    await machines.power_on(DB)
    assert await web.reaches(DB4)
    gaps = await watch.stop()
    assert gaps.longest_gap is not None
    assert gaps.longest_gap > 0.3
    assert 0 < gaps.received < gaps.sent


async def test_a_capture_sees_plain_text_and_counts_all(machines: Machines) -> None:
    async with capture.Capture(DB) as seen:
        await machines.console(WEB).call("udp", address=str(DB4))
        await machines.console(WEB).ping(DB6)
        await asyncio.sleep(0.05)
    result = seen.result
    asked = [flow for flow in result.flows if flow.protocol == "udp" and flow.destination == DB4]
    assert [flow.destination_port for flow in asked] == [probes.ECHO_PORT]
    assert sum(result.marked.values()) == 4
    assert {flow.protocol for flow in result.besides(probes.ECHO_PORT)} == {"icmp6"}
    assert result.dropped == 0


async def test_a_forged_source_leaves_as_it_is(machines: Machines) -> None:
    forged = ipaddress.ip_address("198.51.100.7")
    async with capture.Capture(DB) as seen:
        await machines.console(WEB).call("spoof", source=str(forged), address=str(DB4))
        await asyncio.sleep(0.05)
    assert any(flow.source == forged for flow in seen.result.flows)


async def test_a_socket_lives_in_the_namespace_it_was_made_in(machines: Machines) -> None:
    home = namespaces.run(None, "ip", "-br", "link")
    with namespaces.open_socket(WEB, socket.AF_INET, socket.SOCK_STREAM) as sock:
        await asyncio.get_running_loop().sock_connect(sock, (str(DB4), probes.ECHO_PORT))
        assert sock.getsockname()[0] == "192.168.10.11"
    assert namespaces.run(None, "ip", "-br", "link") == home
    with pytest.raises(namespaces.WiringError):
        namespaces.open_socket("nowhere", socket.AF_INET, socket.SOCK_STREAM)
