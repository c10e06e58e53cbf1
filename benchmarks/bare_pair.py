"""The other side of the tunnel benchmark: a hand-made OpenVPN pair on the same path, without any of our code.

    bench-vm - bench-tapp - bench-router - bench-gw (nft DNAT) - bench-sapp - bench-replica

One hop for one hop the path of the lab's tenant `acme`. `STOCK` is OpenVPN as it comes; `TUNED` the set tuned
by hand: 1 MiB socket buffers and 2000 packets of transmit queue, which only work together.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from causeway_lab.world import namespaces
from causeway_lab.world.topology import Kind, Machine, Port, Topology

STOCK = ""
TUNED = "sndbuf 1048576\nrcvbuf 1048576\nfast-io\n"
TUNED_QUEUE = 2000
_STOCK_QUEUE = 500
"""The kernel's default for tun devices."""

CLIENT, SERVER = "bench-vm", "bench-replica"
REPLICA = "192.168.110.12"
_COMMON = """\
dev-type tun
dev tun0
persist-tun
persist-key
ifconfig-noexec
topology subnet
script-security 0
auth SHA256
data-ciphers AES-256-GCM
cipher AES-256-GCM
ca ca.crt
tls-version-min 1.2
"""
_SERVER = """\
mode server
tls-server
proto udp4
local 10.110.0.20
lport 1194
dh none
ifconfig 100.64.110.1 255.255.255.0
client-config-dir ccd
keepalive 1 4
push "ping 1"
cert server.crt
key server.key
tls-crypt-v2 server.tlscrypt
remote-cert-tls client
"""
_CLIENT = """\
tls-client
pull
route-nopull
nobind
proto udp4
remote 203.0.113.32 6180
ifconfig 100.64.110.2 255.255.255.0
ping 1
ping-restart 4
cert client.crt
key client.key
tls-crypt-v2 client.tlscrypt
remote-cert-tls server
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Files of both ends by name, PEM text."""

    files: Mapping[str, str]


def extend(topology: Topology) -> Topology:
    """The topology with the pair's machines added."""
    return replace(topology, machines={**topology.machines, **{m.name: m for m in _machines()}})


def prepare(directory: Path, credentials: Credentials) -> None:
    """Files, tun devices, routes, proxy ARP and DNAT: everything but the OpenVPN processes."""
    (directory / "ccd").mkdir(parents=True)
    (directory / "ccd" / "DEFAULT").write_text("iroute 0.0.0.0 0.0.0.0\n")
    for name, text in credentials.files.items():
        (directory / name).touch(mode=0o600)
        (directory / name).write_text(text)
    for machine in ("bench-tapp", "bench-gw", "bench-sapp"):
        _do(machine, "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0")
    for machine, local, peer in (
        ("bench-tapp", "100.64.110.2", "100.64.110.1"),
        ("bench-sapp", "100.64.110.1", "100.64.110.2"),
    ):
        _do(machine, "ip tuntap add tun0 mode tun")
        _do(machine, f"ip address add {local} peer {peer}/32 dev tun0")
        _do(machine, "ip link set tun0 up")
    _do("bench-tapp", f"ip route add {REPLICA}/32 dev tun0")
    _do("bench-tapp", f"ip neighbour add proxy {REPLICA} dev eth0")
    _do("bench-tapp", "sysctl -qw net.ipv4.neigh.eth0.proxy_delay=0")
    _do("bench-sapp", "ip route add 192.168.110.0/24 dev tun0")
    _do("bench-sapp", f"ip route add {REPLICA}/32 dev eth1")
    _do("bench-sapp", "sysctl -qw net.ipv4.neigh.eth1.proxy_delay=0 net.ipv4.conf.eth1.proxy_arp=1")
    rules = """table ip relay {
        chain pre {
            type nat hook prerouting priority dstnat;
            udp dport 6180 dnat to 10.110.0.20:1194;
        }
        chain post {
            type nat hook postrouting priority srcnat;
            ct status dnat masquerade;
        }
    }
    """
    namespaces.run("bench-gw", "nft", "-f", "-", text=rules)


class Pair:
    """The two OpenVPN processes while the block runs, with these extra options on both ends."""

    def __init__(self, directory: Path, options: str) -> None:
        self._directory = directory
        self._options = options
        self._processes: list[asyncio.subprocess.Process] = []

    async def __aenter__(self) -> Self:
        queue = TUNED_QUEUE if self._options else _STOCK_QUEUE
        for machine, text in (("bench-sapp", _SERVER), ("bench-tapp", _CLIENT)):
            _do(machine, f"ip link set tun0 txqueuelen {queue}")
            configuration = self._directory / f"{machine}.conf"
            configuration.write_text(_COMMON + text + self._options)
            command = namespaces.within(
                machine, "openvpn", "--cd", str(self._directory), "--config", str(configuration)
            )
            self._processes.append(
                await asyncio.create_subprocess_exec(
                    *command, stdout=asyncio.subprocess.DEVNULL, start_new_session=True
                )
            )
            await asyncio.sleep(0.5)
        await self._answers()
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            await process.wait()

    async def _answers(self) -> None:
        for _ in range(50):
            ping = await asyncio.create_subprocess_exec(
                *namespaces.within(CLIENT, "ping", "-c1", "-W0.2", REPLICA),
                stdout=asyncio.subprocess.DEVNULL,
            )
            if await ping.wait() == 0:
                return
        raise TimeoutError("the hand-made tunnel does not come up")


def _machines() -> tuple[Machine, ...]:
    lan, wan, sp, vlan = "bench-lan", "internet", "bench-sp", "bench-vlan"
    gateway = (ipaddress.ip_address("192.168.110.1"),)
    return (
        _machine("bench-vm", Kind.CONTROLLER, 1, (lan, "192.168.110.11/24"), gateways=gateway),
        _machine("bench-tapp", Kind.CONTROLLER, 2, (lan, "192.168.110.250/24"), gateways=gateway),
        _machine("bench-router", Kind.ROUTER, 3, (lan, "192.168.110.1/24"), (wan, "203.0.113.31/24")),
        _machine("bench-gw", Kind.CONTROLLER, 4, (wan, "203.0.113.32/24"), (sp, "10.110.0.5/24")),
        _machine("bench-sapp", Kind.CONTROLLER, 5, (sp, "10.110.0.20/24"), (vlan, None)),
        _machine("bench-replica", Kind.CONTROLLER, 6, (vlan, f"{REPLICA}/24"), gateways=gateway),
    )


def _machine(
    name: str,
    kind: Kind,
    number: int,
    *ports: tuple[str, str | None],
    gateways: tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...] = (),
) -> Machine:
    wired = tuple(
        Port(
            segment=segment,
            mac=f"02:be:00:00:{number:02x}:{index:02x}",
            addresses=(ipaddress.ip_interface(address),) if address else (),
        )
        for index, (segment, address) in enumerate(ports)
    )
    return Machine(name=name, kind=kind, ports=wired, gateways=gateways)


def _do(machine: str, command: str) -> None:
    namespaces.run(machine, *command.split())
