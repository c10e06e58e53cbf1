"""Plain routers beside the appliance, each with a host of its own behind it: what forwarding costs others.

    internet host - provider's router - bench-bare - bench-host         a kernel that routes, and nothing else
    internet host - provider's router - bench-nat - bench-nat-host      one that also translates one port

Hop for hop the way to a published service in full failover. The second is the floor for whoever translates
addresses: connection tracking, one `dnat` rule, and the usual two rules of a firewall.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from causeway_lab.world import namespaces
from causeway_lab.world.topology import INTERNET_HOST, SP, Kind, Machine, Port, Topology
from causeway_wire.types import IPAddress

BARE_HOST, NAT_HOST = "bench-host", "bench-nat-host"
BARE_ADDRESS = ipaddress.ip_address("192.168.120.12")
"""Of the host behind the bare router."""
NAT_ADDRESS = ipaddress.ip_address("10.10.0.91")
"""Of the translating router itself."""
_BARE, _NAT = "bench-bare", "bench-nat"
_NAT_TARGET = ipaddress.ip_address("192.168.121.12")
_RULES = """
table ip bench {{
  chain translate {{
    type nat hook prerouting priority dstnat;
    ip daddr {address} meta l4proto {{ tcp, udp }} th dport {{ {ports} }} dnat to {target}
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    ct status dnat accept
  }}
}}
"""


def extend(topology: Topology) -> Topology:
    """The topology with the routers and hosts added."""
    outside = (ipaddress.ip_address("10.10.0.1"),)
    added = []
    for number, (router, host, at, prefix) in enumerate(
        (
            (_BARE, BARE_HOST, "10.10.0.90/24", "192.168.120"),
            (_NAT, NAT_HOST, f"{NAT_ADDRESS}/24", "192.168.121"),
        )
    ):
        inside, gateway = f"{router}-in", (ipaddress.ip_address(f"{prefix}.1"),)
        ports = ((SP, at), (inside, f"{prefix}.1/24"))
        added.append(_machine(router, 2 * number, *ports, gateways=outside))
        added.append(_machine(host, 2 * number + 1, (inside, f"{prefix}.12/24"), gateways=gateway))
    return replace(topology, machines={**topology.machines, **{each.name: each for each in added}})


def prepare(*ports: int) -> None:
    """Routes to both, and the translation of these TCP and UDP ports to the same ones of the host."""
    for router in (_BARE, _NAT):
        namespaces.run(router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    for destination, via in ((BARE_ADDRESS, "10.10.0.90"), (NAT_ADDRESS, None)):
        if via is not None:
            namespaces.run("sp-router", "ip", "route", "add", str(destination), "via", via)
        namespaces.run(INTERNET_HOST, "ip", "route", "add", str(destination), "via", "203.0.113.1")
    rules = _RULES.format(address=NAT_ADDRESS, target=_NAT_TARGET, ports=", ".join(map(str, ports)))
    namespaces.run(_NAT, "nft", "-f", "-", text=rules)


def _machine(name: str, number: int, *ports: tuple[str, str], gateways: tuple[IPAddress, ...]) -> Machine:
    wired = tuple(
        Port(
            segment=segment,
            mac=f"02:be:01:00:{number:02x}:{index:02x}",
            addresses=(ipaddress.ip_interface(address),),
        )
        for index, (segment, address) in enumerate(ports)
    )
    return Machine(name=name, kind=Kind.CONTROLLER, ports=wired, gateways=gateways)
