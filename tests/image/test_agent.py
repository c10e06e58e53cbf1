"""The agent at work on the image: what its kernel can, tags on the wire, and the programs it starts."""

from __future__ import annotations

import ipaddress
from pathlib import PurePath
from typing import TYPE_CHECKING

import pytest

from causeway_controller.fleet.client import AgentClient
from image.subject import ADDRESS, PORT, TRUNK_MAC, Subject
from tests.image import controller, wire
from tests.image.test_doors import listening
from tests.image.test_units import SETS, status

if TYPE_CHECKING:
    from testinfra.host import Host

pytestmark = pytest.mark.booted

GATEWAY = ipaddress.IPv4Address(controller.GATEWAY)
NEIGHBOUR = ipaddress.IPv4Address("192.168.7.77")
DOORS = {("tcp", f"{ADDRESS}:22"), ("tcp", f"{ADDRESS}:{PORT}")}
NET_ADMIN = 1 << 12
"""CAP_NET_ADMIN, linux/capability.h: without it OpenVPN cannot have the kernel make its device."""
MODULES = {
    "vlan_8021q": ("8021q",),
    "vrf": ("vrf",),
    "wireguard": ("wireguard",),
    "openvpn_dco": ("ovpn",),
}
NEEDED = (
    "8021q",
    "bridge",
    "dummy",
    "nf_tables",
    "nf_conntrack",
    "nft_chain_nat",
    "nft_fib_inet",
    "tun",
    "vrf",
    "wireguard",
)


async def test_the_agent_reports_what_the_kernel_can(agent: AgentClient, host: Host) -> None:
    reported = (await agent.versions()).capabilities
    assert reported.kernel == host.check_output("uname -r")
    for name, modules in MODULES.items():
        there = any(host.run("modprobe --dry-run %s", module).rc == 0 for module in modules)
        assert getattr(reported, name) is there, name
    assert reported.vlan_8021q
    assert reported.vrf
    assert reported.wireguard
    assert reported.unprivileged_vpn
    # An image that has the module leaves tunnels to it; no reason for another one.
    assert (reported.no_offload is None) is reported.openvpn_dco


@pytest.mark.parametrize("module", NEEDED)
def test_what_networks_need_can_be_loaded(host: Host, module: str) -> None:
    assert host.run("modprobe %s", module).rc == 0
    assert host.file(f"/sys/module/{module}").is_directory


@pytest.mark.parametrize(
    ("kind", "more"), [("vrf", "table 9"), ("wireguard", ""), ("bridge", ""), ("dummy", "")]
)
def test_the_kernel_makes_such_a_link(host: Host, kind: str, more: str) -> None:
    made = host.run(f"unshare --net ip link add probe0 type {kind} {more}")
    assert made.rc == 0, made.stderr


async def test_a_gateway_on_a_vlan_of_a_trunk_speaks_with_its_tag_and_with_no_other(
    agent: AgentClient, machine: Subject
) -> None:
    with wire.plugged(machine) as line:
        await controller.send(agent, machine, controller.provider(controller.full()))
        announced = list(line.hear(3))
        line.ask(GATEWAY, NEIGHBOUR, vlan=None)
        line.ask(GATEWAY, NEIGHBOUR, vlan=controller.OTHER_VLAN_ID)
        heard = list(line.hear(3))
        line.ask(GATEWAY, NEIGHBOUR, vlan=controller.VLAN_ID)
        answers = [each for each in line.hear(5) if each.answer]
    mac = bytes.fromhex(TRUNK_MAC.replace(":", ""))
    told = {each for each in (*announced, *heard) if each.sender == GATEWAY}
    assert {each.vlan for each in told} == {controller.VLAN_ID}
    assert {each.mac for each in told} == {mac}
    assert not any(each.answer for each in heard)  # what it holds, it announces again and again
    assert {(each.vlan, each.sender, each.mac) for each in answers} == {(controller.VLAN_ID, GATEWAY, mac)}


async def test_openvpn_runs_as_its_user_with_no_right_it_does_not_need_and_listens_where_documented(
    agent: AgentClient, machine: Subject, host: Host
) -> None:
    tunnel = await controller.tunnel(agent)
    await controller.send(agent, machine, controller.provider(controller.partial(), tunnel=tunnel))
    server = f"{ADDRESS}:{controller.TUNNEL_PORT}"
    assert listening(host) == DOORS | {("udp", server), ("tcp", server)}
    by_kernel = (await agent.versions()).capabilities.no_offload is None
    assert rights(host, "openvpn") == {
        f"vpn-{tunnel.id}-udp": {NET_ADMIN if by_kernel else 0},
        f"vpn-{tunnel.id}-tcp": {0},
    }


async def test_an_idle_appliance_opens_nothing(agent: AgentClient, host: Host) -> None:
    await controller.calm(agent)
    assert listening(host) == DOORS
    for program in ("openvpn", "haproxy"):
        assert host.run("pgrep -x %s", program).rc == 1


async def test_haproxy_runs_as_its_user_without_rights_and_listens_where_documented(
    enrolled: Subject, host: Host
) -> None:
    """As a cloud gateway, which this appliance may be only when it has forgotten that it was a provider's."""
    forget(host)
    try:
        async with controller.open_agent(enrolled) as agent:
            await controller.send(agent, enrolled, await controller.gateway(agent))
            public = f"{controller.PUBLIC}:6180"
            assert listening(host) - DOORS == {("tcp", public), ("udp", public)}
            held = rights(host, "haproxy")
            assert held
            assert set().union(*held.values()) == {0}
            await controller.send(agent, enrolled, await controller.gateway(agent, leads=False))
            assert listening(host) == DOORS
    finally:
        forget(host)


def forget(host: Host) -> None:
    """Leave the agent its identity and nothing else."""
    host.check_output(
        "systemctl stop causeway-agent && cd /var/lib/causeway && "
        "rm -rf journal.json journal.copy.json documents changes && "
        "systemctl start causeway-agent"
    )


def rights(host: Host, program: str) -> dict[str, set[int]]:
    """What the sets of its processes hold, by directory; they are the user of tunnels' for good."""
    found: dict[str, set[int]] = {}
    user = str(host.user("causeway-vpn").uid)
    for process in host.check_output("pgrep -x %s", program).split():
        told = status(host, process)
        assert set(told["Uid"].split()) == {user}
        assert told["NoNewPrivs"] == "1"
        place = PurePath(host.check_output("readlink /proc/%s/cwd", process)).name
        found[place] = found.get(place, set()) | {int(told[name], 16) for name in SETS}
    return found
