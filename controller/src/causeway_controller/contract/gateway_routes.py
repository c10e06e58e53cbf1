"""Routes of cloud gateways; part of the staff's table."""

from __future__ import annotations

from typing import Final

from causeway_controller.contract.access import Permission
from causeway_controller.contract.appliances import ApplianceReport, DeployedAppliance
from causeway_controller.contract.routes import IDEMPOTENCY_KEY, LOCATION, READ, Route
from causeway_controller.contract.runs import PlannedRun, RunReport
from causeway_wire.problem import ProblemType as P

GATEWAY = Route(
    name="gateway",
    method="GET",
    path="/v1/gateways/{gateway}",
    summary="How the gateway was when it was asked last",
    permission=Permission.OBSERVE,
    response=ApplianceReport,
    problems=READ,
)
ENSURE_GATEWAY = Route(
    name="ensure_gateway",
    method="PUT",
    path="/v1/gateways/{gateway}",
    summary="The gateway deployed, enrolled, certified and configured unless it is so already",
    permission=Permission.DEPLOY,
    response=DeployedAppliance,
    problems=(*READ, P.UNSUPPORTED),
)
ROTATE_GATEWAY = Route(
    name="rotate_gateway",
    method="POST",
    path="/v1/gateways/{gateway}/rotate",
    summary="A new key and certificate for the gateway's agent, now; those before are revoked on request",
    permission=Permission.DEPLOY,
    response=DeployedAppliance,
    query=("revoke",),
    problems=READ,
)
REDEPLOY_GATEWAY = Route(
    name="redeploy_gateway",
    method="POST",
    path="/v1/gateways/{gateway}/redeploy",
    summary="Start a run that has another machine in the gateway's place: same name, MACs and addresses",
    permission=Permission.DEPLOY,
    success=(201,),
    response=RunReport,
    dry=PlannedRun,
    query=("keep_certificates", "dry_run"),
    headers=(IDEMPOTENCY_KEY,),
    answers=(LOCATION,),
    problems=(*READ, P.UNSUPPORTED, P.FAILOVER_IN_PROGRESS, P.REQUEST_IN_FLIGHT, P.KEY_REUSED),
)
RETIRE_GATEWAY = Route(
    name="retire_gateway",
    method="DELETE",
    path="/v1/gateways/{gateway}",
    summary="Start a run that has the gateway powered off, deleted, its certificates revoked, forgotten",
    permission=Permission.DEPLOY,
    success=(201,),
    response=RunReport,
    dry=PlannedRun,
    query=("gone", "dry_run"),
    headers=(IDEMPOTENCY_KEY,),
    answers=(LOCATION,),
    problems=(*READ, P.FAILOVER_IN_PROGRESS, P.REQUEST_IN_FLIGHT, P.KEY_REUSED),
)

GATEWAY_ROUTES: Final = (GATEWAY, ENSURE_GATEWAY, ROTATE_GATEWAY, REDEPLOY_GATEWAY, RETIRE_GATEWAY)
