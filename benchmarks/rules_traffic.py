"""What a table of public rules costs packets: connections from the internet to a replica, and a flow.

    internet host - provider's router - appliance in full failover - replica        public rules, 1 to 100,000
    internet host - provider's router - appliance, 10,000 linear rules - replica    what others do
    internet host - provider's router - bare router - host                          no rules, no translation

Rounds are interleaved.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING

from benchmarks import report, routers, traffic
from causeway_lab.assembly.lab import Lab
from causeway_lab.world import namespaces
from causeway_lab.world.topology import replica_of
from causeway_wire.public_rules import PublicRule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.rules import Publisher

ROUNDS = 5
SIZES = (1, 10_000, 100_000)
LINEAR = 10_000
BARE, LINEAR_NAME = "bare routing", f"{LINEAR:,} linear rules"
PUBLIC_CONNECT, PUBLIC_FLOW = 2001, 2002


async def measure(lab: Lab, publisher: Publisher) -> list[report.Figure]:
    """Connections per second and Mbit/s of every variant; the tenant is in full failover."""
    routers.prepare(traffic.CONNECT_PORT, traffic.FLOW_PORT)
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
            ("connections", PUBLIC_CONNECT, traffic.CONNECT_PORT),
            ("flow", PUBLIC_FLOW, traffic.FLOW_PORT),
        )
    )
    appliance = lab.tenant("acme").provider.id
    runs: dict[str, list[tuple[float, float]]] = {}
    async with traffic.served(routers.BARE_HOST), traffic.served(replica):
        for _ in range(ROUNDS):
            runs.setdefault(BARE, []).append(await _bare())
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
    address = str(publisher.public[0])
    return await traffic.connections(address, PUBLIC_CONNECT), await traffic.flow(address, PUBLIC_FLOW)


async def _bare() -> tuple[float, float]:
    address = str(routers.BARE_ADDRESS)
    return await traffic.connections(address), await traffic.flow(address)


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


def _name(size: int) -> str:
    return f"{size:,} rule" if size == 1 else f"{size:,} rules"
