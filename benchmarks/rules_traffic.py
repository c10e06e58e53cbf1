"""What a table of public rules costs packets: connections from the internet to a replica, and a flow.

    internet host - provider's router - appliance in full failover - replica        public rules, 1 to 100,000
    internet host - provider's router - appliance, 10,000 linear rules - replica    what others do
    internet host - provider's router - bare router - host                          no rules, no translation

Rounds are interleaved. One Python program on each end makes the connections: the figure is bound by them as
much as by the appliance, so read the ratios.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import sys
from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks import report
from causeway_controller.lab import namespaces
from causeway_controller.lab.lab import Lab
from causeway_controller.lab.topology import INTERNET_HOST, SP, Kind, Machine, Port, Topology, replica_of
from causeway_wire.public_rules import PublicRule
from causeway_wire.types import IPAddress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from benchmarks.rules import Publisher

ROUNDS = 3
SIZES = (1, 10_000, 100_000)
LINEAR = 10_000
BARE, LINEAR_NAME = "bare routing", f"{LINEAR:,} linear rules"
SECONDS = 2
CONNECT_PORT, FLOW_PORT = 9001, 5201
PUBLIC_CONNECT, PUBLIC_FLOW = 2001, 2002
ROUTER, HOST = "bench-bare", "bench-host"
BARE_ADDRESS = ipaddress.ip_address("192.168.120.12")
_SERVER = """
import socket, sys
server = socket.create_server(("", int(sys.argv[1])), backlog=4096)
print("ready", flush=True)
while True:
    server.accept()[0].close()
"""
_CLIENT = """
import socket, struct, sys, time
place, end, made = (sys.argv[1], int(sys.argv[2])), time.monotonic() + float(sys.argv[3]), 0
while time.monotonic() < end:
    client = socket.create_connection(place, 5)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    made += 1
print(made)
"""


def extend(topology: Topology) -> Topology:
    """The topology with the bare router, and a host behind it, added."""
    gateway = ipaddress.ip_address("192.168.120.1")
    inside, outside = "bench-inside", ipaddress.ip_address("10.10.0.1")
    added = (
        _machine(ROUTER, 1, (SP, "10.10.0.90/24"), (inside, f"{gateway}/24"), gateways=(outside,)),
        _machine(HOST, 2, (inside, f"{BARE_ADDRESS}/24"), gateways=(gateway,)),
    )
    return replace(topology, machines={**topology.machines, **{each.name: each for each in added}})


async def measure(lab: Lab, publisher: Publisher) -> list[report.Figure]:
    """Connections per second and Mbit/s of every variant; the tenant is in full failover."""
    _lead_to_bare_host()
    vm = lab.vm(next(ref for ref in lab.failed_over() if ref.vm == "db1"))
    target = next(address for address in vm.addresses if isinstance(address, ipaddress.IPv4Address))
    replica = replica_of("acme", "db1")
    rules = tuple(
        PublicRule(
            id=name,
            public_address=publisher.public[0],
            public_port=public,
            internal_address=target,
            internal_port=internal,
        )
        for name, public, internal in (
            ("connections", PUBLIC_CONNECT, CONNECT_PORT),
            ("flow", PUBLIC_FLOW, FLOW_PORT),
        )
    )
    appliance = lab.tenant("acme").provider.id
    runs: dict[str, list[tuple[float, float]]] = {}
    async with _served(HOST), _served(replica):
        for _ in range(ROUNDS):
            runs.setdefault(BARE, []).append(await _pair(str(BARE_ADDRESS), CONNECT_PORT, FLOW_PORT))
            for size in SIZES:
                await publisher.put(publisher.table(max(size, len(rules)), *rules))
                runs.setdefault(_name(size), []).append(await _published(publisher))
            await publisher.put(rules)
            _linear(appliance, rules)
            runs.setdefault(LINEAR_NAME, []).append(await _published(publisher))
            namespaces.run(appliance, "nft", "delete", "table", "ip", "bench")
    return _figures(runs)


def _figures(runs: Mapping[str, Sequence[tuple[float, float]]]) -> list[report.Figure]:
    figures = []
    for place, (what, unit) in enumerate((("new connections", "1/s"), ("established flow", "Mbit/s"))):
        for name, pairs in runs.items():
            values = [pair[place] for pair in pairs]
            figures.append(report.figure(f"{what}, {name}", values, unit, better="higher"))
        for name, base, target in (
            (_name(100_000), _name(1), 0.95),
            (_name(10_000), _name(1), 0.95),
            (LINEAR_NAME, _name(1), None),
            (_name(100_000), BARE, None),
        ):
            ratios = [
                mine[place] / theirs[place] for mine, theirs in zip(runs[name], runs[base], strict=True)
            ]
            figures.append(
                report.figure(
                    f"{what}, {name} / {base}",
                    ratios,
                    "ratio",
                    target=target,
                    better="higher",
                    compared_with=base,
                )
            )
    return figures


async def _published(publisher: Publisher) -> tuple[float, float]:
    return await _pair(str(publisher.public[0]), PUBLIC_CONNECT, PUBLIC_FLOW)


async def _pair(address: str, connect_port: int, flow_port: int) -> tuple[float, float]:
    made = await _output(sys.executable, "-c", _CLIENT, address, str(connect_port), str(SECONDS))
    answer = json.loads(
        await _output("iperf3", "-J", "-c", address, "-p", str(flow_port), "-t", str(SECONDS), "-O", "1")
    )
    if "error" in answer:
        raise RuntimeError(f"iperf3 to {address}: {answer['error']}")
    return int(made) / SECONDS, answer["end"]["sum_received"]["bits_per_second"] / 1e6


@asynccontextmanager
async def _served(machine: str) -> AsyncIterator[None]:
    """A server that closes what it accepts, and one of iperf3."""
    commands = ((sys.executable, "-c", _SERVER, str(CONNECT_PORT)), ("iperf3", "-s", "-p", str(FLOW_PORT)))
    processes = [
        await asyncio.create_subprocess_exec(
            *namespaces.within(machine, *command), stdout=asyncio.subprocess.DEVNULL
        )
        for command in commands
    ]
    try:
        await asyncio.sleep(0.5)
        yield
    finally:
        for process in processes:
            process.kill()
            await process.wait()


async def _output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *namespaces.within(INTERNET_HOST, *command), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), SECONDS + 30)
    return output.decode()


def _linear(appliance: str, rules: Sequence[PublicRule]) -> None:
    """Translate by as many rules in a row, those that are used last; our own table lets the flows through."""
    used = [(rule.public_port, f"{rule.internal_address}:{rule.internal_port}") for rule in rules]
    others = [(10_000 + n, "192.168.10.100:80") for n in range(LINEAR - len(used))]
    address = rules[0].public_address
    lines = "\n".join(
        f"ip daddr {address} tcp dport {port} dnat to {target}" for port, target in (*others, *used)
    )
    text = f"table ip bench {{ chain pre {{ type nat hook prerouting priority -101;\n{lines}\n}}\n}}\n"
    namespaces.run(appliance, "nft", "-f", "-", text=text)


def _lead_to_bare_host() -> None:
    namespaces.run(ROUTER, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    namespaces.run("sp-router", "ip", "route", "add", "192.168.120.0/24", "via", "10.10.0.90")
    namespaces.run(INTERNET_HOST, "ip", "route", "add", "192.168.120.0/24", "via", "203.0.113.1")


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


def _name(size: int) -> str:
    return f"{size:,} rule" if size == 1 else f"{size:,} rules"
