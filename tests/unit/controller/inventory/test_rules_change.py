"""An edit of the inventory takes nothing from tenants that they have."""

from __future__ import annotations

import pytest

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import NetworkClass
from causeway_controller.inventory.rules import check
from tests.provider_inventory import host, plan, seed_example, with_


def found(inventory: Inventory, *, before: Inventory) -> list[tuple[object, str]]:
    """(pointer, last word of the type) of each problem."""
    return [(each.pointer, each.type.rpartition(":")[2]) for each in check(inventory, before=before).problems]


BEFORE = seed_example()
CHANGES = [
    (with_(BEFORE, hardware_plans=(plan("small", 2), plan("large", 2))), "/hardware_plans/1/networks"),
    (
        with_(
            BEFORE,
            hosts=(host(), host("esx2")),
            hardware_plans=(plan("small", 2), plan("large", 3, on="esx2")),
        ),
        "/hardware_plans/1/host",
    ),
    (
        with_(
            BEFORE,
            hardware_plans=(
                with_(
                    plan("small", 2),
                    networks=tuple(
                        with_(each, network_class=NetworkClass.ISOLATED) for each in plan("small", 2).networks
                    ),
                ),
                plan("large", 3),
            ),
        ),
        "/hardware_plans/0/networks/0/network_class",
    ),
]


@pytest.mark.parametrize(("after", "pointer"), CHANGES)
def test_a_change_takes_nothing_from_subscribers(after: Inventory, pointer: str) -> None:
    assert (pointer, "invalid") in found(after, before=BEFORE)


def test_a_plan_may_grow() -> None:
    after = with_(BEFORE, hardware_plans=(plan("small", 2), plan("large", 5)))
    assert found(after, before=BEFORE) == []
