"""Orders for the lab's lines, and how they are told in `status`."""

from __future__ import annotations

from collections.abc import Iterator

from causeway_lab.assembly.lab import Lab
from causeway_lab.service import protocol
from causeway_lab.world.line import wording
from causeway_lab.world.line.conditions import Conditions
from causeway_lab.world.namespaces import WiringError
from causeway_lab.world.steps import step
from causeway_wire.types import TenantId


async def obey(lab: Lab, order: protocol.LineOrder) -> None:
    """Change a line. Raises LabError for an unknown tenant, ConditionError naming the option, WiringError."""
    tenant = lab.tenant(order.tenant).id
    before = Conditions() if order.clear else lab.lines.conditions(tenant)
    after = wording.applied(before, order.wording)
    if order.rebind:
        after = wording.applied(after, wording.Wording(nat=True))
    with step(f"The line of {tenant}: {'; '.join(wording.told(after))}", lab.listener):
        await lab.lines.change(tenant, after)
        if order.rebind:
            await lab.lines.rebind(tenant)


async def status(lab: Lab, tenant: TenantId) -> protocol.LineStatus:
    """The tenant's line as a person reads it."""
    conditions = wording.told(lab.lines.conditions(tenant))
    try:
        report = await lab.lines.report(tenant)
    except WiringError as error:
        return protocol.LineStatus(tenant=tenant, conditions=conditions, means=str(error), counters=())
    return protocol.LineStatus(
        tenant=tenant,
        conditions=conditions,
        means=lab.lines.means(tenant),
        counters=tuple(_counted(report.counters)),
    )


def _counted(counters: dict[str, dict[str, int]]) -> Iterator[str]:
    for direction, found in counters.items():
        told = ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in sorted(found.items()))
        yield f"{direction}: {told or 'nothing yet'}"
