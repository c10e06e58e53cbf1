"""Two appliances and a gateway that really boot, and a partial failover between them, proved on real packets.

    python -m causeway_lab.demo.pair IMAGE    (inside a sandbox; `causeway lab demo --image` makes one)

The appliances boot the image in QEMU and are commanded as any other; VMs, routers and the internet are
namespaces. Without KVM everything is emulated: figures say what emulation takes, claims hold anywhere.
Exit code 0 only if every claim held.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from causeway_lab.assembly.lab import Lab
from causeway_lab.demo import demonstration
from causeway_lab.demo.chapters.partial import PartialChapters
from causeway_lab.demo.chapters.trunk import trunk
from causeway_lab.demo.claims import Ledger, require
from causeway_lab.qemu import acceleration
from causeway_lab.service import drill
from causeway_lab.world import topology
from causeway_lab.world.steps import Listener
from causeway_wire.observed import Carrier, Transport

DEADLINE = 1500.0
"""Seconds for the whole of it, on a busy machine without KVM."""
SHIPPED = ("vlan_8021q", "vrf", "wireguard", "unprivileged_vpn")
"""What the image's kernel and its users give, wherever it boots."""


async def tell(lab: Lab, ledger: Ledger) -> Sequence[drill.Measure]:
    """All chapters, in order; what was measured."""
    measures = [
        drill.Measure(what=f"{name}, power on to ready", seconds=seconds)
        for name, seconds in lab.ready_after.items()
    ]
    chapters = PartialChapters(lab, ledger, measures)
    ledger.chapter("Appliances that booted")
    chosen = await acceleration.choose()
    ledger.note(f"Executed by {chosen.name}: {chosen.reason}")
    await ledger.claim("Each appliance's kernel has what the image promises", capable(lab))
    for chapter in (chapters.before, chapters.disaster, chapters.extended):
        await chapter()
    await ledger.claim("A tunnel's packets are carried by each end's kernel, where that can", carried(lab))
    await trunk(lab, ledger)
    await chapters.undone()
    return measures


async def capable(lab: Lab) -> str:
    """Every appliance reports what the image ships."""
    lines = []
    for name, agent in lab.appliances.agents.items():
        found = msgspec.structs.asdict((await agent.versions()).capabilities)
        missing = [capability for capability in SHIPPED if not found[capability]]
        require(not missing, f"{name} lacks {', '.join(missing)}")
        there = [capability for capability, value in found.items() if value is True]
        lines.append(f"{name} ({found['kernel']}): {', '.join(there)}")
    return "; ".join(lines)


async def carried(lab: Lab) -> str:
    """Both ends of every tunnel tell who carries it over UDP, and why not the kernel."""
    lines = []
    for name, agent in lab.appliances.agents.items():
        why_not = (await agent.versions()).capabilities.no_offload
        for tunnel in (await agent.observed()).tunnels:
            told = (tunnel.transport, tunnel.carrier, tunnel.no_offload)
            carrier = Carrier.KERNEL if why_not is None else Carrier.PROCESS
            require(told == (Transport.UDP, carrier, why_not), f"{name} tells {told}")
            lines.append(f"{name}: by its {carrier.value}" + (f", {why_not}" if why_not else ""))
    require(len(lines) > 1, "there is no tunnel")
    return "; ".join(lines)


def lab_of(image: Path, listener: Listener) -> Lab:
    """The smallest lab in which a VM can fail over: one tenant, one network, one gateway."""
    return Lab(topology.build(tenants=1, networks=1, gateways=1), listener=listener, image=image)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="pair", description=__doc__.partition("\n")[0])
    parser.add_argument("image", type=Path, help="the appliance's disk, qcow2")
    parser.add_argument("--seconds", type=float, default=DEADLINE, help="for all of it; default: %(default)s")
    options = parser.parse_args()
    return demonstration.main(
        demonstration.Play(
            title="One tenant, one cloud gateway; both appliances and the gateway boot in QEMU",
            lab=functools.partial(lab_of, options.image),
            tell=tell,
            deadline=options.seconds,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
