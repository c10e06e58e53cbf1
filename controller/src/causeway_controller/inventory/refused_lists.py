"""How full the lists are in which documents name what is revoked. Pure.

A list only grows until the certificates in it end. One that is over its limit makes documents that no
appliance takes, so it is told long before. A gateway's document is all its tenants': what one of them has
too much of is left out of it, and keeps no other from the tunnel.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from causeway_controller.contract.certificates import Bearer
from causeway_controller.contract.status import Trouble
from causeway_controller.inventory.certificates import NAMED, Issued
from causeway_wire import limits
from causeway_wire.desired import Desired
from causeway_wire.types import Name, TenantId

LIMIT: Final = limits.lists(Desired)["/management/revoked"]
"""The same for every list of serial numbers."""
LIMIT_OF_GATEWAY: Final = limits.TOTALS["/role/tunnels/*/revoked"]
"""Of all tunnels of one gateway together."""
_FULL: Final = 200 / 256
"""The part of a limit from which on it is told."""


End = tuple[TenantId, Name]
"""A tenant, and the name of its end of a tunnel."""


def left_out(counts: Mapping[End, int]) -> frozenset[End]:
    """Return the tunnels that a gateway must not have, given how many certificates of each are revoked.

    A list that is too long, and when all together are, those of the tenants that have most: what cannot be
    refused is not let in. Where nothing of a tunnel is revoked, it has its place.
    """
    out = {end for end, count in counts.items() if count > LIMIT}
    of_tenants = Counter[TenantId]()
    for end, count in counts.items():
        if end not in out:
            of_tenants[end[0]] += count
    over = of_tenants.total() - LIMIT_OF_GATEWAY
    for tenant, count in sorted(of_tenants.items(), key=lambda each: (-each[1], each[0])):
        if over <= 0:
            break
        over -= count
        out |= {end for end, own in counts.items() if end[0] == tenant and own}
    return frozenset(out)


def troubles(records: Iterable[Issued], *, now: datetime) -> Iterator[Trouble]:
    """Yield the lists that are nearly full, given the revoked certificates of the ledger."""
    lists: dict[tuple[Bearer, str], list[Issued]] = defaultdict(list)
    for one in records:
        purpose = one.subject.purpose
        if purpose in NAMED and one.revoked is not None and now < one.not_after:
            # Every controller is in the one list of each appliance; of the others, who has the name.
            lists[purpose, "" if purpose is Bearer.CONTROLLER else one.subject.name].append(one)
    for (purpose, name), found in sorted(lists.items()):
        if len(found) >= LIMIT * _FULL:
            whose = " ".join(filter(None, (purpose.value, name)))
            yield Trouble(subject=f"revoked certificates of {whose}", detail=_detail(purpose, found, LIMIT))
    clients = [one for (purpose, _), found in lists.items() if purpose is Bearer.CLIENT for one in found]
    if len(clients) >= LIMIT_OF_GATEWAY * _FULL:
        ends = Counter((one.subject.tenant or "", one.subject.name) for one in clients)
        kept_out = ", ".join(sorted(name for _, name in left_out(ends)))
        detail = _detail(Bearer.CLIENT, clients, LIMIT_OF_GATEWAY)
        more = f". A gateway that is to name them all takes no connection of {kept_out}" if kept_out else ""
        yield Trouble(subject="revoked certificates of all tunnels' clients", detail=detail + more)


def _detail(purpose: Bearer, found: list[Issued], limit: int) -> str:
    first = min(one.not_after for one in found)
    remedy = (
        f"see with `causeway certificate list --of {purpose.value} --revoked` what revokes so many; each is "
        f"left out when it ends, the first at {first:%Y-%m-%d %H:%M} UTC"
    )
    if purpose in {Bearer.SERVER, Bearer.GATEWAY}:
        remedy += ". Redeploy with --keep-certificates where nobody has the old disk: that adds none"
    return f"{len(found)} of the {limit} that a document may name are named; {remedy}"
