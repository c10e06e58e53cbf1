"""Forwarding in full mode: a published service against plain routers, side by side in one run (`routers`).

Single packets show what each of them costs, processor time of sending and delivery included (`traffic`). A
TCP flow shows what is left of that where adapters with offloads, or virtual machines of one host, hand over
up to 64 KiB at once.

Bare routing keeps no state. Whoever translates addresses must, so the second router says how much of the
distance any firewall has, and is what ours is held against.

Then, in a lab of its own, what the packet filter costs on each appliance of an extension (`filter_cost`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Mapping, Sequence

from benchmarks import filter_cost, report, routers, rules, traffic, world
from causeway_lab.assembly.lab import Lab
from causeway_lab.world import topology
from causeway_lab.world.topology import replica_of
from causeway_wire.public_rules import Protocol, PublicRule

FLOWS, PACKETS = 7, 21
"""Rounds of each kind."""
OURS, BARE, NAT = "full mode", "bare routing", "one dnat rule"
PACKETS_TARGET, FLOW_TARGET = 0.9, 0.95
"""Of what the router with one `dnat` rule does."""


async def main() -> None:
    """Measure and publish."""
    wired = routers.extend(topology.build(tenants=1, networks=1, gateways=1))
    async with world.lab(wired) as lab:
        await lab.failover_full(rules.TENANT)
        routers.prepare(traffic.FLOW_PORT, traffic.PACKET_PORT)
        ways = {
            OURS: (await _publish(lab), replica_of(rules.TENANT, "db1")),
            BARE: (str(routers.BARE_ADDRESS), routers.BARE_HOST),
            NAT: (str(routers.NAT_ADDRESS), routers.NAT_HOST),
        }
        packets: dict[str, list[float]] = {way: [] for way in ways}
        flows: dict[str, list[float]] = {way: [] for way in ways}
        async with contextlib.AsyncExitStack() as stack:
            for _, receiver in ways.values():
                await stack.enter_async_context(traffic.served(receiver))
            # Flows first: a receiver that never sent anything is looked for within a ration.
            for _ in range(FLOWS):
                for way, (address, _) in ways.items():
                    flows[way].append(await traffic.flow(address))
            for _ in range(PACKETS):
                for way, (address, receiver) in ways.items():
                    packets[way].append(await traffic.packets(address, receiver=receiver))
    figures = _figures("single packets", "1/CPU s", packets, PACKETS_TARGET)
    figures += _figures("TCP flow", "Mbit/s", flows, FLOW_TARGET)
    figures += await filter_cost.figures()
    report.publish("forward", figures, note="one host plays all machines: read the ratios")


async def _publish(lab: Lab) -> str:
    """Rules for what is measured; the public address."""
    publisher = await rules.publisher(lab)
    vm = lab.vm(next(ref for ref in lab.failed_over() if ref.vm == "db1"))
    wanted = ((Protocol.TCP, traffic.FLOW_PORT), (Protocol.UDP, traffic.PACKET_PORT))
    published = tuple(
        PublicRule(
            id=protocol.value,
            protocol=protocol,
            public_address=publisher.public[0],
            public_port=port,
            internal_address=next(a for a in vm.addresses if isinstance(a, ipaddress.IPv4Address)),
            internal_port=port,
        )
        for protocol, port in wanted
    )
    await publisher.put(published)
    return str(publisher.public[0])


def _figures(kind: str, unit: str, runs: Mapping[str, Sequence[float]], goal: float) -> list[report.Figure]:
    figures = [report.figure(f"{kind}, {way}", found, unit, better="higher") for way, found in runs.items()]
    for mine, base, target in ((OURS, BARE, None), (OURS, NAT, goal), (NAT, BARE, None)):
        ratios = [one / other for one, other in zip(runs[mine], runs[base], strict=True)]
        name = f"{kind}, {mine} / {base}"
        figures.append(
            report.figure(name, ratios, "ratio", target=target, better="higher", compared_with=base)
        )
    return figures


if __name__ == "__main__":
    asyncio.run(main())
