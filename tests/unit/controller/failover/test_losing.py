"""What another document would end is found: VMs in partial failover, networks in full or in rehearsal."""

from __future__ import annotations

import pytest

from causeway_controller.failover import documents, losing
from causeway_controller.inventory import modes, tenancy
from causeway_controller.inventory.modes import Mode
from causeway_wire.desired import Desired
from tests import sites

SITE = sites.site()
TENANT = SITE.tenants["acme"]
FIRST, SECOND = sorted(TENANT.vms)[:2]
BOTH = frozenset({FIRST, SECOND})
NETWORK = TENANT.vms[FIRST].network


def document(mode: Mode, appliance: str = TENANT.provider.id) -> Desired:
    return documents.document(tenancy.with_mode(SITE, "acme", mode), appliance, generation=1, epoch=1)


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        (modes.Idle(), modes.Full(BOTH), ()),
        (modes.partial(BOTH), modes.partial(BOTH), ()),
        (modes.partial(BOTH), modes.partial(frozenset({FIRST})), (f"partial failover of {SECOND}",)),
        (modes.Full(frozenset({FIRST})), modes.Idle(), (f"full failover of network {NETWORK}",)),
        (modes.Full(frozenset({FIRST})), modes.Full(frozenset({FIRST})), ()),
        (modes.Rehearsal(frozenset({FIRST})), modes.Idle(), (f"rehearsal of network {NETWORK}",)),
    ],
)
def test_what_only_the_document_before_serves_is_lost(
    before: Mode, after: Mode, lost: tuple[str, ...]
) -> None:
    assert losing.lost(document(before), document(after)) == lost


def test_a_gateway_serves_all_and_loses_nothing() -> None:
    name = SITE.gateways[0].id
    assert losing.lost(document(modes.partial(BOTH), name), document(modes.Idle(), name)) == ()
