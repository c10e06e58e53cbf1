"""Routes with which systems of appliances are exchanged; part of the staff's table."""

from __future__ import annotations

from typing import Final

from causeway_controller.contract.access import Permission
from causeway_controller.contract.appliances import StoredUpdate, UpdateProgress
from causeway_controller.contract.requests import UpdateFleet
from causeway_controller.contract.routes import BODY, IDEMPOTENCY_KEY, LOCATION, READ, Route
from causeway_controller.contract.runs import PlannedRun, RunReport
from causeway_wire.problem import ProblemType as P

STORE_UPDATE = Route(
    name="store_update",
    method="PUT",
    path="/v1/update",
    summary="Keep an update file at this controller; the body is the file as it is",
    permission=Permission.DEPLOY,
    response=StoredUpdate,
    problems=(*READ, P.UPDATE_REFUSED, P.TOO_LARGE),
)
_PROBLEMS: Final = (
    *READ,
    P.FAILOVER_IN_PROGRESS,
    P.UPDATE_UNSUPPORTED,
    P.UPDATE_IN_PROGRESS,
    P.UPDATE_REFUSED,
    P.UPDATE_OLDER,
    P.UPDATE_NOT_READY,
    P.STORAGE,
)
UPDATE_APPLIANCE = Route(
    name="update_appliance",
    method="POST",
    path="/v1/tenants/{tenant}/hosts/{host}/appliance/update",
    summary="Have the appliance run this build; asked again, it tells how far that is, and goes on",
    permission=Permission.DEPLOY,
    response=UpdateProgress,
    query=("build", "allow_older", "interrupt"),
    problems=_PROBLEMS,
)
UPDATE_GATEWAY = Route(
    name="update_gateway",
    method="POST",
    path="/v1/gateways/{gateway}/update",
    summary="Have the gateway run this build; asked again, it tells how far that is, and goes on",
    permission=Permission.DEPLOY,
    response=UpdateProgress,
    query=("build", "allow_older"),
    problems=_PROBLEMS,
)
UPDATE_FLEET = Route(
    name="update_fleet",
    method="POST",
    path="/v1/update/runs",
    summary="Start a run that has every deployed appliance run this build, one appliance after the other",
    permission=Permission.DEPLOY,
    success=(201,),
    request=UpdateFleet,
    response=RunReport,
    dry=PlannedRun,
    query=("dry_run",),
    headers=(IDEMPOTENCY_KEY,),
    answers=(LOCATION,),
    problems=(*BODY, P.FAILOVER_IN_PROGRESS, P.REQUEST_IN_FLIGHT, P.KEY_REUSED),
)

UPDATE_ROUTES: Final = (STORE_UPDATE, UPDATE_APPLIANCE, UPDATE_GATEWAY, UPDATE_FLEET)
