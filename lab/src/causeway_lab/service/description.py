"""What a lab is now, in the words of its `status`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from causeway_controller.errors import ControllerError
from causeway_controller.failover import documents
from causeway_controller.inventory.tenancy import Tenant
from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.service import line_orders, protocol, revoking
from causeway_lab.world import topology
from causeway_wire.observed import ApplianceState, Observed, TunnelReport
from causeway_wire.public_rules import PublicRule

OBSERVE_SECONDS = 5.0


async def status(lab: Lab) -> protocol.Status:
    """VMs, tenants and appliances; appliances that do not answer are said to be unreachable."""
    names = [name for name, *_ in lab.topology.appliances()]
    found = dict(zip(names, await asyncio.gather(*(_observed(lab, name) for name in names)), strict=True))
    lines = await asyncio.gather(*(line_orders.status(lab, tenant) for tenant in lab.topology.tenants))
    tenants = [lab.tenant(name) for name in lab.topology.tenants]
    vms = tuple(_vm(lab, VmRef(tenant.id, name)) for tenant in tenants for name in tenant.vms)
    appliances = tuple(_appliance(name, observed) for name, observed in found.items())
    return protocol.Status(
        up=True,
        wrong=wrong(appliances, vms),
        vms=vms,
        tenants=tuple(_tenant(lab, tenant, found[tenant.provider.id]) for tenant in tenants),
        appliances=appliances,
        lines=tuple(lines),
        revoked=revoking.status(lab),
    )


def wrong(
    appliances: Sequence[protocol.ApplianceStatus], vms: Sequence[protocol.VmStatus]
) -> tuple[str, ...]:
    """What is not as it should be, a line each: appliances first, then VMs that run nowhere."""
    broken = [
        f"{item.name} is {item.state}{item.problem and ': '}{item.problem}"
        for item in appliances
        if item.state != ApplianceState.READY.value
    ]
    return (*broken, *(f"{vm.name} runs nowhere" for vm in vms if not vm.original and not vm.failed_over))


async def _observed(lab: Lab, name: str) -> Observed | None:
    try:
        async with asyncio.timeout(OBSERVE_SECONDS):
            return await lab.agent(name).observed()
    except (ControllerError, TimeoutError):
        return None


def _vm(lab: Lab, ref: VmRef) -> protocol.VmStatus:
    powered_on = lab.machines.powered_on
    mode = lab.mode(ref.tenant)
    return protocol.VmStatus(
        name=str(ref),
        addresses=tuple(map(str, lab.vm(ref).addresses)),
        original=powered_on(topology.original_of(ref.tenant, ref.vm)),
        replica=powered_on(topology.replica_of(ref.tenant, ref.vm)),
        mode=mode.name if ref.vm in mode.vms else "idle",
    )


def _tenant(lab: Lab, tenant: Tenant, observed: Observed | None) -> protocol.TenantStatus:
    mode = lab.mode(tenant.id)
    coverage = None if observed is None else observed.coverage
    return protocol.TenantStatus(
        name=tenant.id,
        mode=mode.name,
        vms=tuple(sorted(mode.vms)),
        public_addresses=tuple(map(str, tenant.public_addresses)),
        owned=() if coverage is None else tuple(map(str, coverage.public_addresses)),
        rules_in_force=len(documents.public_rules(tenant, mode)),
        rules=tuple(map(_rule, tenant.publications)),
    )


def _rule(rule: PublicRule) -> protocol.RuleStatus:
    return protocol.RuleStatus(
        id=rule.id,
        public=f"{rule.public_address} {rule.protocol.value} {_range(rule)}",
        internal=f"{rule.internal_address} {rule.internal_port}",
        vm=rule.vm or "",
        sources=tuple(map(str, rule.sources)),
    )


def _range(rule: PublicRule) -> str:
    end = "" if rule.public_port_end is None else f"-{rule.public_port_end}"
    return f"{rule.public_port}{end}"


def _appliance(name: str, observed: Observed | None) -> protocol.ApplianceStatus:
    if observed is None:
        return protocol.ApplianceStatus(name=name, state="unreachable", role="", failover="", tunnels=())
    return protocol.ApplianceStatus(
        name=name,
        state=observed.state.value,
        role=observed.role or "",
        failover=observed.failover,
        tunnels=tuple(_tunnel(report) for report in observed.tunnels),
        problem="" if observed.problem is None else observed.problem.detail,
    )


def _tunnel(report: TunnelReport) -> str:
    transport = f" over {report.transport.value}" if report.transport is not None else ""
    remote = f" with {report.remote}" if report.remote is not None else ""
    return f"{report.id} {report.state.value}{transport}{remote}"
