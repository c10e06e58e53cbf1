"""Ways of a tunnel over a bad line: what a tenant's line lets through, and whether the tunnel goes so."""

from __future__ import annotations

import asyncio

from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.world.console import Gaps
from causeway_lab.world.line.conditions import Blocked, Conditions
from causeway_wire.observed import TunnelReport

VM, NEIGHBOUR = VmRef("acme", "db1"), VmRef("acme", "web1")
APPLIANCE = "acme-nea1"
WAYS = {
    "udp over ipv6": Conditions().changed(blocked=(Blocked.IPV4,)),
    "tcp over ipv6": Conditions().changed(blocked=(Blocked.IPV4, Blocked.UDP)),
    "tcp over ipv4": Conditions().changed(blocked=(Blocked.IPV6, Blocked.UDP)),
}


async def tunnel(lab: Lab) -> TunnelReport:
    """What the tenant's appliance says of its tunnel."""
    return (await lab.agent(APPLIANCE).observed()).tunnels[0]


async def way_of(lab: Lab) -> str:
    """How the tunnel goes while it is up."""
    report = await tunnel(lab)
    version = "ipv6" if (report.remote or "").startswith("[") else "ipv4"
    return f"{report.transport} over {version}" if report.state == "connected" else ""


async def watched(lab: Lab, way: Conditions, line: Conditions, seconds: float) -> tuple[Gaps, int]:
    """What became of echoes while the line was so and until what it held has arrived, and how often the
    tunnel started anew.
    """
    before = (await tunnel(lab)).restarts
    watch = lab.original(NEIGHBOUR).watch(lab.vm(VM).addresses[0], seconds=60.0, interval=0.008)
    await watch.wait_first(10.0)
    await lab.lines.change("acme", line)
    await asyncio.sleep(seconds)
    await lab.lines.change("acme", way)
    await asyncio.sleep(1.5)
    found = await watch.stop()
    return found, (await tunnel(lab)).restarts - before
