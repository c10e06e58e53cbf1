"""What lists of a document may hold together, so that a document within its limits fits into a body."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized

from causeway_agent.plan.model.checks import Findings
from causeway_wire import limits
from causeway_wire.desired import GatewayRole, Partial, ProviderRole, Role
from causeway_wire.problem import ProblemType


def check(role: Role, findings: Findings) -> None:
    """Note the first list of each kind with which there are too many entries."""
    for lists in _lists(role):
        _check(lists, findings)


def _lists(role: Role) -> Iterator[list[tuple[str, Sized]]]:
    """Pointers and lists, by kind."""
    if isinstance(role, GatewayRole):
        yield [(f"/role/tunnels/{i}/revoked", each.revoked or ()) for i, each in enumerate(role.tunnels)]
    if isinstance(role, ProviderRole):
        yield [(f"/role/networks/{i}/hosts", network.hosts) for i, network in enumerate(role.networks)]
    if not isinstance(role, GatewayRole) and isinstance(role.failover, Partial):
        base, replicas = "/role/failover/replicas", tuple(enumerate(role.failover.replicas))
        yield [(f"{base}/{i}/addresses", replica.addresses) for i, replica in replicas]
        yield [(f"{base}/{i}/macs", replica.macs) for i, replica in replicas]


def _check(lists: Iterable[tuple[str, Sized]], findings: Findings) -> None:
    total = 0
    for pointer, entries in lists:
        total += len(entries)
        limit = limits.TOTALS[limits.name_of(pointer)]
        if total > limit:
            detail = f"too many entries together with the lists before; {limits.refusal(pointer, limit)}"
            findings.add(ProblemType.INVALID, pointer, detail)
            return
