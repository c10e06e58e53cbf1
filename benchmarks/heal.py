"""Partial failover and self-healing: command to first packet, the gap when something dies, and none when the
line only pauses, in one run.

A production VM sends a UDP echo to its failed-over neighbour every 2 ms; a gap is the longest time without an
answer. Nothing but the appliances' own agents heals: the controller is not asked.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

from benchmarks import report, world
from causeway_lab.assembly.lab import Lab
from causeway_lab.service import drill
from causeway_lab.world import topology
from causeway_lab.world.line.conditions import Conditions

RUNS = 5
_LIMIT = 20.0
"""Seconds after which an interruption counts as not healed."""

PAUSES = (0.5, 0.8, 0.95)
BETWEEN = 3.0
"""Seconds from pause to pause."""
_STEADY = Conditions().changed(delay=0.001)
"""The lab's line is there before anything is counted: putting it in or out costs a packet of its own."""

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
        pauses = [await _pauses(lab, nea, seconds) for seconds in PAUSES]
    report.publish(
        "heal",
        [
            report.figure("failover, command to first packet", first, "s", target=0.4, better="lower"),
            report.figure("heal, VPN client killed", client, "s", target=0.1, better="lower"),
            report.figure("heal, VPN server killed", server, "s", target=0.35, better="lower"),
            report.figure("heal, gateway lost, a second one there", gateway, "s", target=0.5, better="lower"),
            report.figure(
                "pauses of the line, echoes lost", [p[0] for p in pauses], "", target=0, better="lower"
            ),
            report.figure(
                "pauses of the line, restarts of the tunnel",
                [p[1] for p in pauses],
                "",
                target=0,
                better="lower",
            ),
        ],
        note="2 ms UDP echo between a production VM and the replica; gaps in seconds; appliances running; "
        f"pauses of {PAUSES} s every {BETWEEN} s",
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


async def _pauses(lab: Lab, nea: str, seconds: float) -> tuple[int, int]:
    """Echoes lost, and restarts of the tunnel, while the tenant's line pauses so long now and then."""
    neighbour = lab.neighbour(world.VM)
    if neighbour is None:
        raise RuntimeError("no production VM is left to look from")
    before = (await lab.agent(nea).observed()).tunnels[0].restarts
    await lab.lines.change("acme", _STEADY)
    watch = neighbour.watch(lab.vm(world.VM).addresses[0], seconds=3 * _LIMIT)
    await watch.wait_first(_LIMIT)
    await lab.lines.change("acme", _STEADY.changed(pause_every=BETWEEN, pause_for=seconds))
    await asyncio.sleep(4 * BETWEEN)
    await lab.lines.change("acme", _STEADY)
    await asyncio.sleep(1.0)
    gaps = await watch.stop()
    await lab.lines.change("acme", Conditions())
    after = (await lab.agent(nea).observed()).tunnels[0].restarts
    return gaps.sent - gaps.received, after - before


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
