"""Ways of a tunnel over a bad line: what a tenant's line lets through, and whether the tunnel goes so."""

from __future__ import annotations

from causeway_lab.assembly.lab import Lab, VmRef
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


async def goes(lab: Lab, way: str) -> None:
    """Raise unless the tunnel goes as it has to over the line."""
    report = await tunnel(lab)
    transport, _, version = way.partition(" over ")
    assert (report.state, report.transport) == ("connected", transport)
    assert (report.remote or "").startswith("[") == (version == "ipv6")
