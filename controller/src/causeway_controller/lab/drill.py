"""A disaster and its end, measured: cut the originals' power, fail over, undo, power the originals on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from causeway_controller.lab.lab import Lab, VmRef
from causeway_controller.lab.steps import step
from causeway_controller.lab.topology import original_of

FIRST_PACKET_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A measured figure of one operation."""

    what: str
    seconds: float


async def fail_over(lab: Lab, vms: Sequence[VmRef], *, cut: bool = True) -> tuple[Measure, ...]:
    """Fail the VMs over, their originals' power cut before when `cut`; from the command to the first packets.

    Raises LabError, ProblemError or StepFailed; TimeoutError when a replica is not reached in time.
    """
    for ref in vms:
        lab.vm(ref)
    if cut:
        with step(f"Cut the power of {', '.join(map(str, vms))} in production", lab.listener):
            for ref in vms:
                await lab.machines.power_off(original_of(ref.tenant, ref.vm))
    watches = {}
    for ref in vms:
        neighbour = lab.neighbour(ref)
        if neighbour is not None and cut:
            watches[ref] = neighbour.watch(lab.vm(ref).addresses[0])
    started = time.monotonic()
    await lab.failover(vms)
    measures = [Measure(what="failover, command to done", seconds=time.monotonic() - started)]
    for ref, watch in watches.items():
        with step(f"First packet between production and the replica of {ref}", lab.listener):
            first = await watch.wait_first(FIRST_PACKET_SECONDS)
        await watch.stop()
        measures.append(Measure(what=f"{ref}, command to first packet", seconds=first - started))
    return tuple(measures)


async def undo(lab: Lab, vms: Sequence[VmRef], *, restore: bool = True) -> tuple[Measure, ...]:
    """End the failover; the originals are powered on again when `restore`. Raises as `fail_over` does."""
    for ref in vms:
        lab.vm(ref)
    started = time.monotonic()
    await lab.undo(vms)
    measures = [Measure(what="undo, command to done", seconds=time.monotonic() - started)]
    if restore:
        with step(f"Power {', '.join(map(str, vms))} on in production", lab.listener):
            for ref in vms:
                await lab.machines.power_on(original_of(ref.tenant, ref.vm))
    return tuple(measures)
