"""The route that tells why a packet does or does not get from A to B: part of the staff's table.

It names the provider's VLANs and other tenants' addresses, so it is the provider's.
"""

from __future__ import annotations

from typing import Final

from causeway_controller.contract.access import Permission
from causeway_controller.contract.explain import PathAnswer
from causeway_controller.contract.routes import READ, Route
from causeway_wire.problem import ProblemType as P

EXPLAIN = Route(
    name="explain",
    method="GET",
    path="/v1/explain",
    summary="What carries or stops a packet on its whole way; nothing is changed and no packet is sent",
    permission=Permission.READ_INVENTORY,
    response=PathAnswer,
    query=("source", "destination", "kind", "port", "tenant", "host"),
    problems=(*READ, P.INVALID, P.UNSUPPORTED),
)

EXPLAIN_ROUTES: Final = (EXPLAIN,)
