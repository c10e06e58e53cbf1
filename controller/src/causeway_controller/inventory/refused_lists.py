"""How full the lists are in which documents name what is revoked. Pure.

A list only grows until the certificates in it end. One that is over its limit makes documents that no
appliance takes, so it is told long before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from causeway_controller.contract.certificates import Bearer
from causeway_controller.inventory.certificates import NAMED, Issued
from causeway_wire import limits
from causeway_wire.desired import Desired

LIMIT: Final = limits.lists(Desired)["/management/revoked"]
"""The same for every list of serial numbers."""
LIMIT_OF_GATEWAY: Final = limits.TOTALS["/role/tunnels/*/revoked"]
"""Of all tunnels of one gateway together."""
_FULL: Final = 200 / 256
"""The part of a limit from which on it is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowded:
    """A list that will be full before long."""

    subject: str
    """Whose certificates are in it."""
    detail: str


def crowded(records: Iterable[Issued], *, now: datetime) -> Iterator[Crowded]:
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
            yield Crowded(subject=f"revoked certificates of {whose}", detail=_detail(purpose, found, LIMIT))
    clients = [one for (purpose, _), found in lists.items() if purpose is Bearer.CLIENT for one in found]
    if len(clients) >= LIMIT_OF_GATEWAY * _FULL:
        detail = _detail(Bearer.CLIENT, clients, LIMIT_OF_GATEWAY)
        yield Crowded(subject="revoked certificates of all tunnels' clients", detail=detail)


def _detail(purpose: Bearer, found: list[Issued], limit: int) -> str:
    first = min(one.not_after for one in found)
    remedy = (
        f"see with `causeway certificate list --of {purpose.value} --revoked` what revokes so many; each is "
        f"left out when it ends, the first at {first:%Y-%m-%d %H:%M} UTC"
    )
    if purpose in {Bearer.SERVER, Bearer.GATEWAY}:
        remedy += ". Redeploy with --keep-certificates where nobody has the old disk: that adds none"
    return f"{len(found)} of the {limit} that a document may name are named; {remedy}"
