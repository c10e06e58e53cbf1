"""The route by which the provider's staff asks a tenant's controller; part of the staff's table."""

from __future__ import annotations

from typing import Final

from causeway_controller.contract.access import Permission
from causeway_controller.contract.requests import AskTenant
from causeway_controller.contract.routes import BODY, IDEMPOTENCY_KEY, LOCATION, RULES, Route
from causeway_controller.contract.runs import PlannedRun, RunReport
from causeway_wire.problem import ProblemType as P

ASK_TENANT = Route(
    name="ask_tenant",
    method="POST",
    path="/v1/tenants/{tenant}/asked",
    summary="Start a run that asks the tenant's controller for a partial failover, or for the end of one",
    permission=Permission.FAIL_OVER,
    success=(201,),
    request=AskTenant,
    response=RunReport,
    dry=PlannedRun,
    query=("dry_run",),
    headers=(IDEMPOTENCY_KEY,),
    answers=(LOCATION,),
    problems=(*BODY, *RULES, P.FAILOVER_IN_PROGRESS, P.REQUEST_IN_FLIGHT, P.KEY_REUSED),
)

ASKING_ROUTES: Final = (ASK_TENANT,)
