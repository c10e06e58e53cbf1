"""The one route table of the controller's API: it mounts the handlers, drives the CLI, generates OpenAPI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from causeway_controller.contract.access import Permission
from causeway_controller.contract.appliances import ApplianceReport, ApplianceReports, DeployedAppliance
from causeway_controller.contract.audit import AuditRecords, AuditVerdict
from causeway_controller.contract.change import AppliancesNeeded, InventoryChange, TenantReport, Tenants
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.requests import Request
from causeway_controller.contract.run_summary import RunSummary
from causeway_controller.contract.runs import PlannedRun, RunEventReports, RunReport, RunReports
from causeway_controller.contract.status import About, Health, Status
from causeway_controller.contract.tokens import MadeToken, NewToken, Token, Tokens
from causeway_wire.problem import ProblemType as P

BODY_BYTES: Final = 64 * 1024 * 1024
"""10,000 tenants with a hundred VMs each are about 60 MB."""
SMALL_BODY_BYTES: Final = 8 * 1024 * 1024
"""For all bodies but an inventory: a request with as many public rules as a plan may have fits."""
PAGE: Final = 1000
"""The most entries of one answer."""
EVENT_STREAM: Final = "text/event-stream"
IF_MATCH: Final = "If-Match"
IF_NONE_MATCH: Final = "If-None-Match"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
LAST_EVENT_ID: Final = "Last-Event-ID"
ETAG: Final = "ETag"
LOCATION: Final = "Location"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation. Bodies are JSON; `response` None means text (metrics) or nothing."""

    name: str
    method: str
    path: str
    summary: str
    permission: Permission | None
    """None: anybody may, known or not."""
    success: tuple[int, ...] = (200,)
    request: Any = None
    response: type | None = None
    dry: type | None = None
    """What `dry_run` answers, with 200."""
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    """What the request may say in headers."""
    answers: tuple[str, ...] = ()
    """What the answer says in headers."""
    body_bytes: int = SMALL_BODY_BYTES
    stream: bool = False
    """Whether the answer is a stream of events when they are asked for (`Accept: text/event-stream`)."""
    problems: tuple[P, ...] = ()


OPEN: Final = (P.MALFORMED, P.METHOD_NOT_ALLOWED, P.INTERNAL, P.UNAVAILABLE)
READ: Final = (*OPEN, P.UNAUTHENTICATED, P.NOT_ALLOWED, P.NOT_FOUND, P.TOO_MANY)
BODY: Final = (*READ, P.TOO_LARGE, P.TOO_SLOW, P.UNSUPPORTED_MEDIA_TYPE, P.INVALID)
RULES: Final = (P.DUPLICATE, P.OVERLAP, P.OUTSIDE_NETWORK, P.UNKNOWN_REFERENCE, P.UNSUPPORTED)
_PUBLIC = (P.RESERVED_PORT, P.OUTSIDE_ALLOCATION)
_START = (P.FAILOVER_IN_PROGRESS, P.REQUEST_IN_FLIGHT, P.KEY_REUSED)

ABOUT = Route(
    name="about",
    method="GET",
    path="/v1",
    summary="Version and limits, and who the caller is",
    permission=Permission.OBSERVE,
    response=About,
    problems=READ,
)
GET_INVENTORY = Route(
    name="get_inventory",
    method="GET",
    path="/v1/inventory",
    summary="The inventory in force; its strong ETag is its revision",
    permission=Permission.READ_INVENTORY,
    success=(200, 304),
    response=Inventory,
    headers=(IF_NONE_MATCH,),
    answers=(ETAG,),
    problems=READ,
)
PUT_INVENTORY = Route(
    name="put_inventory",
    method="PUT",
    path="/v1/inventory",
    summary="Replace the inventory, whole or not at all; every rule is asked, every broken one named",
    permission=Permission.WRITE_INVENTORY,
    request=Inventory,
    response=InventoryChange,
    query=("dry_run",),
    headers=(IF_MATCH,),
    answers=(ETAG,),
    body_bytes=BODY_BYTES,
    problems=(
        *BODY,
        *RULES,
        *_PUBLIC,
        P.FAILOVER_IN_PROGRESS,
        P.PRECONDITION_FAILED,
        P.PRECONDITION_REQUIRED,
    ),
)
TENANTS = Route(
    name="tenants",
    method="GET",
    path="/v1/tenants",
    summary="The tenants that the caller may see, in a line each",
    permission=Permission.OBSERVE,
    response=Tenants,
    problems=READ,
)
TENANT = Route(
    name="tenant",
    method="GET",
    path="/v1/tenants/{tenant}",
    summary="A tenant: what was entered, the appliances needed for it, what it has been given",
    permission=Permission.OBSERVE,
    response=TenantReport,
    problems=READ,
)
APPLIANCES = Route(
    name="appliances_needed",
    method="GET",
    path="/v1/appliances/needed",
    summary="The provider's appliances that the inventory needs, of the tenants that the caller may see",
    permission=Permission.OBSERVE,
    response=AppliancesNeeded,
    problems=READ,
)
DEPLOYED_APPLIANCES = Route(
    name="appliances",
    method="GET",
    path="/v1/appliances",
    summary="The deployed appliances of the tenants that the caller may see, the worst first",
    permission=Permission.OBSERVE,
    response=ApplianceReports,
    problems=READ,
)
APPLIANCE = Route(
    name="appliance",
    method="GET",
    path="/v1/tenants/{tenant}/hosts/{host}/appliance",
    summary="How the tenant's appliance on the host was when it was asked last",
    permission=Permission.OBSERVE,
    response=ApplianceReport,
    problems=READ,
)
ENSURE_APPLIANCE = Route(
    name="ensure_appliance",
    method="PUT",
    path="/v1/tenants/{tenant}/hosts/{host}/appliance",
    summary="The tenant's appliance on the host, deployed, enrolled and configured unless it is so already",
    permission=Permission.DEPLOY,
    response=DeployedAppliance,
    query=("overrule",),
    problems=(*READ, P.UNSUPPORTED, P.FAILOVER_IN_PROGRESS),
)
ROTATE_APPLIANCE = Route(
    name="rotate_appliance",
    method="POST",
    path="/v1/tenants/{tenant}/hosts/{host}/appliance/rotate",
    summary="A new key and certificate for the appliance, now; those before are revoked on request",
    permission=Permission.DEPLOY,
    response=DeployedAppliance,
    query=("revoke",),
    problems=READ,
)
REDEPLOY_APPLIANCE = Route(
    name="redeploy_appliance",
    method="POST",
    path="/v1/tenants/{tenant}/hosts/{host}/appliance/redeploy",
    summary="Start a run that has another machine in the appliance's place: same name, MACs, addresses, mode",
    permission=Permission.DEPLOY,
    success=(201,),
    response=RunReport,
    dry=PlannedRun,
    query=("keep_certificates", "dry_run"),
    headers=(IDEMPOTENCY_KEY,),
    answers=(LOCATION,),
    problems=(*READ, P.UNSUPPORTED, P.FAILOVER_IN_PROGRESS, P.REQUEST_IN_FLIGHT, P.KEY_REUSED),
)
RETIRE_APPLIANCE = Route(
    name="retire_appliance",
    method="DELETE",
    path="/v1/tenants/{tenant}/hosts/{host}/appliance",
    summary="Start a run that has the appliance powered off, deleted, its certificates revoked, forgotten",
    permission=Permission.DEPLOY,
    success=(201,),
    response=RunReport,
    dry=PlannedRun,
    query=("gone", "dry_run"),
    headers=(IDEMPOTENCY_KEY,),
    answers=(LOCATION,),
    problems=(*READ, P.FAILOVER_IN_PROGRESS, P.REQUEST_IN_FLIGHT, P.KEY_REUSED),
)
START_RUN = Route(
    name="start_run",
    method="POST",
    path="/v1/tenants/{tenant}/hosts/{host}/runs",
    summary="Start a run: planned and checked first, refused with nothing touched, else begun",
    permission=Permission.FAIL_OVER,
    success=(201,),
    request=Request,
    response=RunReport,
    dry=PlannedRun,
    query=("dry_run",),
    headers=(IDEMPOTENCY_KEY,),
    answers=(LOCATION,),
    problems=(*BODY, *RULES, *_PUBLIC, *_START),
)
RUNS = Route(
    name="runs",
    method="GET",
    path="/v1/runs",
    summary="Runs, the newest first",
    permission=Permission.OBSERVE,
    response=RunReports,
    query=("tenant", "cursor", "limit"),
    problems=READ,
)
RUN = Route(
    name="run",
    method="GET",
    path="/v1/runs/{run}",
    summary="A run, and what came of it last",
    permission=Permission.OBSERVE,
    response=RunReport,
    problems=READ,
)
RUN_SUMMARY = Route(
    name="run_summary",
    method="GET",
    path="/v1/runs/{run}/summary",
    summary="A run in one document: steps, when each VM was ready, and what is where now",
    permission=Permission.OBSERVE,
    response=RunSummary,
    problems=READ,
)
RUN_EVENTS = Route(
    name="run_events",
    method="GET",
    path="/v1/runs/{run}/events",
    summary="What came of a run so far; as a stream, also what comes of it until it is over",
    permission=Permission.OBSERVE,
    success=(200, 204),
    response=RunEventReports,
    query=("after",),
    headers=(LAST_EVENT_ID,),
    stream=True,
    problems=READ,
)
STOP_RUN = Route(
    name="stop_run",
    method="POST",
    path="/v1/runs/{run}/stop",
    summary="Stop a run before its next stage; what it has done is undone or said to be kept",
    permission=Permission.FAIL_OVER,
    success=(202,),
    response=RunReport,
    problems=(*READ, P.RUN_OVER),
)
RETRY_RUN = Route(
    name="retry_run",
    method="POST",
    path="/v1/runs/{run}/retry",
    summary="Start a run that asks once more for what a failed one was asked for",
    permission=Permission.FAIL_OVER,
    success=(201,),
    response=RunReport,
    answers=(LOCATION,),
    problems=(*READ, *RULES, *_PUBLIC, P.FAILOVER_IN_PROGRESS, P.INVALID, P.PRECONDITION_FAILED),
)
TOKENS = Route(
    name="tokens",
    method="GET",
    path="/v1/tokens",
    summary="Tokens without their secrets",
    permission=Permission.MANAGE_TOKENS,
    response=Tokens,
    problems=READ,
)
MAKE_TOKEN = Route(
    name="make_token",
    method="POST",
    path="/v1/tokens",
    summary="Make a token; its secret is shown this once",
    permission=Permission.MANAGE_TOKENS,
    success=(201,),
    request=NewToken,
    response=MadeToken,
    answers=(LOCATION,),
    problems=(*BODY, P.UNKNOWN_REFERENCE),
)
REVOKE_TOKEN = Route(
    name="revoke_token",
    method="DELETE",
    path="/v1/tokens/{token}",
    summary="Revoke a token: from now on nobody is known by it",
    permission=Permission.MANAGE_TOKENS,
    response=Token,
    problems=READ,
)
AUDIT = Route(
    name="audit",
    method="GET",
    path="/v1/audit",
    summary="Who did what and when, the oldest first",
    permission=Permission.READ_AUDIT,
    response=AuditRecords,
    query=("cursor", "limit"),
    problems=READ,
)
VERIFY_AUDIT = Route(
    name="verify_audit",
    method="GET",
    path="/v1/audit/verification",
    summary="Whether every record of the audit is what was written",
    permission=Permission.READ_AUDIT,
    response=AuditVerdict,
    problems=READ,
)
STATUS = Route(
    name="status",
    method="GET",
    path="/v1/status",
    summary="What is wrong now, then how much there is",
    permission=Permission.OBSERVE,
    response=Status,
    problems=READ,
)
LIVE = Route(
    name="healthz",
    method="GET",
    path="/healthz",
    summary="The controller answers",
    permission=None,
    response=Health,
    problems=OPEN,
)
READY = Route(
    name="readyz",
    method="GET",
    path="/readyz",
    summary="The controller can read its store",
    permission=None,
    response=Health,
    problems=OPEN,
)
METRICS = Route(
    name="metrics",
    method="GET",
    path="/metrics",
    summary="Prometheus text exposition",
    permission=Permission.METRICS,
    problems=READ,
)

ROUTES: Final = (
    ABOUT,
    GET_INVENTORY,
    PUT_INVENTORY,
    TENANTS,
    TENANT,
    APPLIANCES,
    DEPLOYED_APPLIANCES,
    APPLIANCE,
    ENSURE_APPLIANCE,
    ROTATE_APPLIANCE,
    REDEPLOY_APPLIANCE,
    RETIRE_APPLIANCE,
    START_RUN,
    RUNS,
    RUN,
    RUN_SUMMARY,
    RUN_EVENTS,
    STOP_RUN,
    RETRY_RUN,
    TOKENS,
    MAKE_TOKEN,
    REVOKE_TOKEN,
    AUDIT,
    VERIFY_AUDIT,
    STATUS,
    LIVE,
    READY,
    METRICS,
)
