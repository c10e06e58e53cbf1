"""A disaster and its end, measured: cut the power in production, fail over, undo, power production on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from causeway_controller.contract.requests import FailOver, FailOverSite
from causeway_controller.failover import planning
from causeway_controller.workflows.failover import Outcome
from causeway_lab.assembly import outage
from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.world import services
from causeway_lab.world.steps import step
from causeway_lab.world.topology import INTERNET_HOST, original_of
from causeway_wire.types import TenantId, VmName


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A measured figure of one operation."""

    what: str
    seconds: float


async def fail_over(lab: Lab, vms: Sequence[VmRef], *, cut: bool = True) -> tuple[Measure, ...]:
    """Fail the VMs over, their originals' power cut before when `cut`; from the command to the first packets.

    Raises LabError, ProblemError or StepFailed; TimeoutError when a replica is not reached in time.
    """
    _check(lab, vms)
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
            first = await watch.wait_first(lab.pace.first_packet)
        await watch.stop()
        measures.append(Measure(what=f"{ref}, command to first packet", seconds=first - started))
    return tuple(measures)


def _check(lab: Lab, vms: Sequence[VmRef]) -> None:
    """Raise LabError or ProblemError when this will be refused: before anything has lost its power."""
    for ref in vms:
        lab.vm(ref)
    for tenant in {ref.tenant for ref in vms}:
        names = frozenset(ref.vm for ref in vms if ref.tenant == tenant)
        planning.plan(FailOver(tenant=tenant, vms=names), lab.site)


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


async def fail_over_full(
    lab: Lab, tenant: TenantId, *, escalate: bool = False, cut: bool = True
) -> tuple[Measure, ...]:
    """Fail the whole site over, its power cut before when `cut`; to the first packets from the internet.

    Raises LabError, ProblemError or StepFailed; TimeoutError when the published service is not reached.
    """
    found = lab.tenant(tenant)
    planning.plan(FailOverSite(tenant=tenant, vms=frozenset(found.vms), escalate=escalate), lab.site)
    if cut:
        await outage.cut_site(lab, tenant)
    published = [rule for rule in found.publications if rule.public_port == services.ECHO_PORT]
    watch = None
    if published:
        outside = lab.machines.console(INTERNET_HOST)
        watch = outside.watch(published[0].public_address, port=services.ECHO_PORT, interval=0.01)
    started = time.monotonic()
    outcome = await lab.failover_full(tenant, escalate=escalate)
    measures = [
        Measure(what=f"full failover of {tenant}, command to done", seconds=time.monotonic() - started)
    ]
    if watch is not None:
        with step("First packet between the internet and a published service", lab.listener):
            first = await watch.wait_first(lab.pace.first_packet)
        await watch.stop()
        measures.append(Measure(what=f"{tenant}, command to first public packet", seconds=first - started))
    return (*measures, *_ready(outcome))


async def undo_full(
    lab: Lab, tenant: TenantId, *, keep: Sequence[VmName] = (), restore: bool = True
) -> tuple[Measure, ...]:
    """End the full failover; when `restore`, the production site has power again, its VMs at the end."""
    if restore:
        await outage.restore_site(lab, tenant)
    started = time.monotonic()
    await lab.undo_full(tenant, keep=keep)
    measure = Measure(what=f"undo of {tenant}, command to done", seconds=time.monotonic() - started)
    if restore:
        await outage.restore_vms(lab, tenant)
    return (measure,)


async def rehearse(lab: Lab, tenant: TenantId, *, internet: bool = False) -> tuple[Measure, ...]:
    """Rehearse: the time-to-ready of each replica, in seconds from power on."""
    started = time.monotonic()
    outcome = await lab.rehearse(tenant, internet=internet)
    done = Measure(what=f"rehearsal of {tenant}, command to done", seconds=time.monotonic() - started)
    return (done, *_ready(outcome))


def _ready(outcome: Outcome) -> tuple[Measure, ...]:
    return tuple(
        Measure(what=f"{vm}, power on to ready", seconds=seconds)
        for vm, seconds in sorted(outcome.ready.items())
    )
