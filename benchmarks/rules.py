"""Public rules: a table through the agent's API, one change of it, and what the table costs packets.

The agent is the lab's provider appliance, the client the controller's own, over mutual TLS 1.3; times are
what a controller waits, its own encoding included. For packets, see `rules_traffic`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import msgspec

from benchmarks import plot, report, routers, rules_traffic, world
from causeway_controller.errors import AgentUnreachable
from causeway_controller.fleet.client import AgentClient
from causeway_lab.assembly.lab import Lab
from causeway_lab.world import topology
from causeway_wire.public_rules import PublicRule, PublicRules, PublicRulesPatch
from causeway_wire.types import IPAddress

TENANT = "acme"
RUNS = 5
CHANGES = 25
WHOLE = {10_000: 0.2, 100_000: 2.0}
"""Targets in seconds by number of rules."""
SIZES = (10, 10_000, 100_000)
FIRST_PORT, PORTS = 10_000, 50_000


@dataclass(slots=True)
class Publisher:
    """The tenant's appliance, with the numbers that its changes need."""

    agent: AgentClient
    epoch: int
    public: tuple[IPAddress, ...]
    internal: IPAddress
    revisions: count[int]
    revision: int = 0

    def table(self, size: int, *first: PublicRule) -> tuple[PublicRule, ...]:
        """So many rules: these, and others for ports of their own."""
        return first + tuple(
            PublicRule(
                id=f"rule-{number}",
                public_address=self.public[number // PORTS],
                public_port=FIRST_PORT + number % PORTS,
                internal_address=self.internal + number % 100,
                internal_port=80,
                vm=f"vm-{number % 100}",
                description="a service of the tenant",
            )
            for number in range(size - len(first))
        )

    async def put(self, rules: tuple[PublicRule, ...]) -> float:
        """Replace the table; seconds."""
        self.revision = next(self.revisions)
        document = PublicRules(revision=self.revision, epoch=self.epoch, rules=rules)
        started = time.perf_counter()
        await self.agent.put_rules(document)
        return time.perf_counter() - started

    async def change(self, *put: PublicRule, remove: tuple[str, ...] = ()) -> float:
        """Change the table; milliseconds."""
        base, self.revision = self.revision, next(self.revisions)
        patch = PublicRulesPatch(base=base, revision=self.revision, epoch=self.epoch, put=put, remove=remove)
        started = time.perf_counter()
        await self.agent.patch_rules(patch)
        return 1000 * (time.perf_counter() - started)


async def main() -> None:
    """Measure, publish and draw."""
    wired = routers.extend(topology.build(tenants=1, networks=1, gateways=1))
    async with world.lab(wired) as lab:
        publishing = await publisher(lab)
        figures = await _control(lab, publishing)
        await lab.failover_full(TENANT)
        publishing = await publisher(lab)
        figures += await rules_traffic.measure(lab, publishing)
    report.publish("rules", figures, note="one host plays all machines: times are upper bounds")
    plot.main()


async def publisher(lab: Lab) -> Publisher:
    tenant = lab.tenant(TENANT)
    agent = lab.agent(tenant.provider.id)
    known = (await agent.get_rules()).revision
    return Publisher(
        agent=agent,
        epoch=(await agent.observed()).epoch,
        public=tuple(a for a in tenant.public_addresses if isinstance(a, ipaddress.IPv4Address)),
        internal=ipaddress.ip_address("192.168.10.100"),
        revisions=count(known + 1),
        revision=known,
    )


async def _control(lab: Lab, publisher: Publisher) -> list[report.Figure]:
    figures = []
    for size in SIZES:
        rules = publisher.table(size)
        seconds = [await _whole(publisher, rules) for _ in range(RUNS)]
        if size in WHOLE:
            name = f"{size:,} rules, whole table"
            figures.append(report.figure(name, seconds, "s", target=WHOLE[size], better="lower"))
        for what, milliseconds in (
            ("one change", await _changes(publisher, rules)),
            ("one rule removed", await _removals(publisher, rules)),
        ):
            name = f"{what} at {size:,} rules"
            figures.append(report.figure(name, milliseconds, "ms", target=10, better="lower"))
    figures.append(report.figure("agent's memory with 100,000 rules", [_memory(lab)], "MB", better="lower"))
    starts = [await _restart(lab) for _ in range(RUNS)]
    figures.append(report.figure("start to ready with 100,000 rules to load", starts, "s", better="lower"))
    await publisher.put(())
    return figures


async def _whole(publisher: Publisher, rules: tuple[PublicRule, ...]) -> float:
    await publisher.put(())
    await world.settle(0.5)
    return await publisher.put(rules)


async def _changes(publisher: Publisher, rules: Sequence[PublicRule]) -> list[float]:
    """Another target for a rule each time."""
    return [
        await publisher.change(msgspec.structs.replace(rules[n % len(rules)], internal_port=100 + n))
        for n in range(CHANGES)
    ]


async def _removals(publisher: Publisher, rules: Sequence[PublicRule]) -> list[float]:
    """A rule goes; afterwards it comes back, untimed."""
    took = []
    for n in range(CHANGES):
        rule = rules[n % len(rules)]
        took.append(await publisher.change(remove=(rule.id,)))
        await publisher.change(rule)
    return took


async def _restart(lab: Lab) -> float:
    """Seconds from power on to `ready`; the packet filter is empty at first."""
    name = lab.tenant(TENANT).provider.id
    await lab.hypervisor.power(name, on=False, grace=0)
    started = time.monotonic()
    await lab.hypervisor.power(name, on=True, grace=0)
    while True:
        try:
            if (await lab.agent(name).ready()).healthy:
                return time.monotonic() - started
        except AgentUnreachable:
            await asyncio.sleep(0.005)


def _memory(lab: Lab) -> float:
    pid = lab.agent_pid(lab.tenant(TENANT).provider.id)
    if pid is None:
        raise ProcessLookupError
    return world.resident_megabytes(pid)


if __name__ == "__main__":
    asyncio.run(main())
