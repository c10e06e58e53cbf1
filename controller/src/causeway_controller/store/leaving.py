"""Providers that are being left: between the last look whether any is relied on and its end, nothing begins.

Who begins a run and who begins to leave hold the inventory against each other: one is through before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from causeway_controller.contract.joining import LinkState
from causeway_controller.contract.production import Production
from causeway_controller.store.peer_tables import provider_link
from causeway_controller.store.tables import entry, inventory_head
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Name, TenantId

_HELD: Final = select(inventory_head.c.revision).with_for_update()
_LEFT: Final = select(provider_link.c.name).where(provider_link.c.state == LinkState.LEAVING.value)
_ENTRIES: Final = select(entry.c.document).where(
    entry.c.kind == "production", entry.c.name.in_(bindparam("names", expanding=True))
)


def hold(connection: Connection) -> None:
    """Have those that begin runs be through before, or see what is written here."""
    connection.execute(_HELD).one()


def places(connection: Connection, providers: Iterable[Name]) -> frozenset[tuple[TenantId, Name]]:
    """Return the tenant and the network of each place that is over one of these providers."""
    found = connection.execute(_ENTRIES, {"names": list(providers)}).scalars()
    entries = [codec.decode(text.encode(), Production) for text in found]
    return frozenset((one.tenant, network.id) for one in entries for network in one.networks)


def refuse(connection: Connection, tenant: TenantId, host: Name) -> None:
    """Raise ProblemError (`failover-in-progress`) where the provider of this place is being left."""
    names = sorted(connection.execute(_LEFT).scalars())
    if names and (tenant, host) in places(connection, names):
        detail = (
            f"the provider of network {host} is being left, so nothing begins there; `causeway "
            "provider list` says which, and `causeway provider leave` again ends it"
        )
        raise ProblemError(problem(ProblemType.FAILOVER_IN_PROGRESS, detail))
