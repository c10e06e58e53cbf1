"""Partial failover and self-healing: command to first packet, and the gap when something dies.

A production VM sends a UDP echo to its failed-over neighbour every 2 ms; a gap is the longest time without an
answer. Nothing but the appliances' own agents heals: the controller is not asked.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

from benchmarks import report, world
from causeway_controller.lab import drill, topology
from causeway_controller.lab.lab import Lab

RUNS = 5
_LIMIT = 20.0
"""Seconds after which an interruption counts as not healed."""

Action = Callable[[], Awaitable[None]]


async def main() -> None:
    """Measure and publish."""
    async with world.lab(topology.build(tenants=1, networks=1, gateways=2)) as lab:
        first = await _first_packets(lab)
        await drill.fail_over(lab, [world.VM])
        await world.settle()
        tenant = lab.tenant("acme")
        nea = tenant.appliances["net1"].id
        client = [await _gap(lab, lambda: _kill(nea)) for _ in range(RUNS)]
        server = [await _gap(lab, lambda: _kill(tenant.provider.id)) for _ in range(RUNS)]
        gateway = [await _lose_gateway(lab, nea) for _ in range(RUNS)]
    report.publish(
        "heal",
        [
            report.figure("failover, command to first packet", first, "s", target=0.5, better="lower"),
            report.figure("heal, VPN client killed", client, "s", target=0.2, better="lower"),
            report.figure("heal, VPN server killed", server, "s", target=0.5, better="lower"),
            report.figure("heal, gateway lost, a second one there", gateway, "s", target=3, better="lower"),
        ],
        note="2 ms UDP echo between a production VM and the replica; gaps in seconds; appliances running",
    )


async def _first_packets(lab: Lab) -> list[float]:
    """Seconds from command to first packet, several failovers and undos in a row."""
    seconds = []
    for _ in range(RUNS):
        measures = await drill.fail_over(lab, [world.VM])
        seconds += [measure.seconds for measure in measures if measure.what.endswith("first packet")]
        await drill.undo(lab, [world.VM])
    return seconds


async def _gap(lab: Lab, action: Action) -> float:
    """The longest gap around the action."""
    neighbour = lab.neighbour(world.VM)
    if neighbour is None:
        raise RuntimeError("no production VM is left to look from")
    watch = neighbour.watch(lab.vm(world.VM).addresses[0], seconds=3 * _LIMIT)
    await watch.wait_first(_LIMIT)
    await asyncio.sleep(0.5)
    await action()
    await asyncio.sleep(4.0)
    gaps = await watch.stop()
    return gaps.longest_gap if gaps.longest_gap is not None else _LIMIT


async def _kill(machine: str) -> None:
    """SIGKILL the machine's VPN process that carries the tunnel."""
    for pid in world.pids(machine, "openvpn"):
        os.kill(pid, signal.SIGKILL)


async def _lose_gateway(lab: Lab, nea: str) -> float:
    """Cut the power of the gateway in use; afterwards it comes back, for the next run."""
    observed = await lab.agent(nea).observed()
    remote = observed.tunnels[0].remote or ""
    address = remote.rpartition(":")[0]
    used = next(gw for gw in lab.topology.gateways if str(gw.public.addresses[0].ip) == address)
    gap = await _gap(lab, lambda: lab.hypervisor.power(used.id, on=False, grace=0))
    await lab.hypervisor.power(used.id, on=True, grace=0)
    await world.settle(2)
    return gap


if __name__ == "__main__":
    asyncio.run(main())
