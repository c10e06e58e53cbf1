"""Enter an inventory: every rule, then what tenants need out of the pools. Pure; whoever calls it stores."""

from __future__ import annotations

from collections.abc import Iterable

from causeway_controller.contract.inventory import Inventory
from causeway_controller.inventory.allocate import allocate
from causeway_controller.inventory.allocation import NOTHING, Allocation
from causeway_controller.inventory.findings import Findings
from causeway_controller.inventory.in_use import InUse
from causeway_controller.inventory.rules import check


def enter(
    inventory: Inventory,
    *,
    before: Inventory | None = None,
    held: Allocation = NOTHING,
    in_use: Iterable[InUse] = (),
) -> Allocation:
    """What tenants have once `inventory` takes the place of `before`, of which they have `held`, and part
    `in_use`.

    Raises ProblemError that carries all problems, each with its pointer; then nothing has been given.
    """
    check(inventory, before=before, held=held, in_use=in_use).refuse()
    findings = Findings()
    given = allocate(inventory, held, findings)
    findings.refuse()
    return given
