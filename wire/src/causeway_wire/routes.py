"""The one route table of the agent's API: it mounts the handlers, drives the client, generates OpenAPI."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from causeway_wire.change import Change, Fence, PlanReport
from causeway_wire.desired import Desired
from causeway_wire.explanation import PacketPath
from causeway_wire.identity import Certificate, Csr, CsrRequest
from causeway_wire.observed import Health, Observed, Versions
from causeway_wire.problem import ProblemType as P
from causeway_wire.public_rules import PublicRules, PublicRulesPatch, PublicRulesReport, RuleCounters
from causeway_wire.update import Activation, UpdateStatus


class Permission(StrEnum):
    """What a client certificate may do; each includes the one before it."""

    OBSERVE = "observe"
    APPLY = "apply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation of the API. Bodies are JSON; `response` None means text (metrics) or nothing."""

    name: str
    method: str
    path: str
    summary: str
    permission: Permission
    success: tuple[int, ...] = (200,)
    request: type | None = None
    response: type | None = None
    query: tuple[str, ...] = ()
    large: bool = False
    """Whether the body may be as large as `limits.rules_body_bytes`."""
    stream: bool = False
    """Whether the body is a file of up to `limits.update_bytes`, read as it comes."""
    problems: tuple[P, ...] = ()


_READ = (P.MALFORMED, P.FORBIDDEN, P.NOT_FOUND, P.METHOD_NOT_ALLOWED, P.INVALID, P.INTERNAL, P.UNAVAILABLE)
_BODY = (*_READ, P.STORAGE, P.TOO_SLOW, P.TOO_LARGE, P.UNSUPPORTED_MEDIA_TYPE)
_FENCED = (P.STALE_EPOCH, P.STORAGE)
_DOCUMENT = (
    *_BODY,
    P.NIC_NOT_FOUND,
    P.OVERLAP,
    P.OUTSIDE_NETWORK,
    P.DUPLICATE,
    P.UNKNOWN_REFERENCE,
    P.WRONG_APPLIANCE,
    P.WRONG_ROLE,
    P.UNSUPPORTED,
    P.CUTS_MANAGEMENT,
    P.TOO_COSTLY,
)

VERSIONS = Route(
    name="versions",
    method="GET",
    path="/v1",
    summary="Versions, capabilities and limits",
    permission=Permission.OBSERVE,
    response=Versions,
    problems=_READ,
)
GET_DESIRED = Route(
    name="get_desired",
    method="GET",
    path="/v1/desired",
    summary="The document in force, secrets masked; its strong ETag is generation and digest",
    permission=Permission.OBSERVE,
    response=Desired,
    problems=(*_READ, P.NOT_CONFIGURED),
)
PUT_DESIRED = Route(
    name="put_desired",
    method="PUT",
    path="/v1/desired",
    summary="Replace the document; 202 with a change to follow, 200 when it is in force already",
    permission=Permission.APPLY,
    success=(200, 202),
    request=Desired,
    response=Change,
    query=("confirm", "escalate"),
    problems=(
        *_DOCUMENT,
        P.UPDATE_IN_PROGRESS,
        P.STALE_GENERATION,
        P.GENERATION_CONFLICT,
        P.STALE_EPOCH,
        P.CHANGE_IN_FLIGHT,
        P.AWAITING_CONFIRMATION,
        P.FAILOVER_IN_PROGRESS,
        P.PRECONDITION_FAILED,
        P.PRECONDITION_REQUIRED,
    ),
)
PLAN = Route(
    name="plan",
    method="POST",
    path="/v1/plan",
    summary="Dry run: the operations that the document would cause now",
    permission=Permission.OBSERVE,
    request=Desired,
    response=PlanReport,
    problems=_DOCUMENT,
)
OBSERVED = Route(
    name="observed",
    method="GET",
    path="/v1/observed",
    summary="What the appliance is, as its kernel and processes say",
    permission=Permission.OBSERVE,
    response=Observed,
    problems=_READ,
)
EXPLAIN = Route(
    name="explain",
    method="GET",
    path="/v1/explain",
    summary="The way of a packet through the appliance: what carries or stops it, and what to do",
    permission=Permission.OBSERVE,
    response=PacketPath,
    query=("source", "destination", "kind", "port", "size", "entry"),
    problems=_READ,
)
CHANGE = Route(
    name="change",
    method="GET",
    path="/v1/changes/{id}",
    summary="A change; with `wait` answers when it is final, awaits confirmation or the seconds are over",
    permission=Permission.OBSERVE,
    response=Change,
    query=("wait",),
    problems=_READ,
)
CONFIRM = Route(
    name="confirm",
    method="POST",
    path="/v1/changes/{id}/confirm",
    summary="Put the awaiting change in force for good, over a connection opened after it was applied",
    permission=Permission.APPLY,
    response=Change,
    query=("epoch",),
    problems=(*_READ, *_FENCED, P.NOT_AWAITING, P.SAME_CONNECTION, P.APPLY_FAILED),
)
CANCEL = Route(
    name="cancel",
    method="POST",
    path="/v1/changes/{id}/cancel",
    summary="Take the awaiting change back now; 202 while the document before it is still being restored",
    permission=Permission.APPLY,
    success=(200, 202),
    response=Change,
    query=("epoch",),
    problems=(*_READ, *_FENCED, P.NOT_AWAITING),
)
EXTEND = Route(
    name="extend",
    method="POST",
    path="/v1/changes/{id}/extend",
    summary="Give the awaiting change a new deadline, `seconds` from now",
    permission=Permission.APPLY,
    response=Change,
    query=("epoch", "seconds"),
    problems=(*_READ, *_FENCED, P.NOT_AWAITING),
)
FENCE = Route(
    name="fence",
    method="PUT",
    path="/v1/epoch",
    summary="Shut out workflows of lower epochs, at once and for good; repeating it is free",
    permission=Permission.APPLY,
    request=Fence,
    response=Fence,
    problems=(*_BODY, P.STALE_EPOCH),
)
_RULES = (
    *_BODY,
    P.RESERVED_PORT,
    P.OUTSIDE_ALLOCATION,
    P.OUTSIDE_NETWORK,
    P.DUPLICATE,
    P.WRONG_ROLE,
    P.NOT_CONFIGURED,
    P.UPDATE_IN_PROGRESS,
    P.STALE_REVISION,
    P.STALE_EPOCH,
    P.APPLY_FAILED,
)
GET_RULES = Route(
    name="get_rules",
    method="GET",
    path="/v1/public-rules",
    summary="The table of public rules",
    permission=Permission.OBSERVE,
    response=PublicRules,
    problems=_READ,
)
PUT_RULES = Route(
    name="put_rules",
    method="PUT",
    path="/v1/public-rules",
    summary="Replace the table of public rules at once; flows whose rule is gone are ended",
    permission=Permission.APPLY,
    request=PublicRules,
    response=PublicRulesReport,
    large=True,
    problems=_RULES,
)
PATCH_RULES = Route(
    name="patch_rules",
    method="PATCH",
    path="/v1/public-rules",
    summary="Change the table of public rules at revision `base`, all of the change or none of it",
    permission=Permission.APPLY,
    request=PublicRulesPatch,
    response=PublicRulesReport,
    large=True,
    problems=(*_RULES, P.UNKNOWN_REFERENCE),
)
RULE_COUNTERS = Route(
    name="rule_counters",
    method="GET",
    path="/v1/public-rules/counters",
    summary="What rules let through: those named, or all",
    permission=Permission.OBSERVE,
    response=RuleCounters,
    query=("id",),
    problems=_READ,
)
CSR = Route(
    name="csr",
    method="POST",
    path="/v1/identity/csr",
    summary="A certificate signing request for a key born on the appliance",
    permission=Permission.APPLY,
    request=CsrRequest,
    response=Csr,
    problems=_BODY,
)
PUT_CERTIFICATE = Route(
    name="put_certificate",
    method="PUT",
    path="/v1/identity/certificate",
    summary="Install the agent's certificate; new connections use it at once",
    permission=Permission.APPLY,
    success=(204,),
    request=Certificate,
    problems=(*_BODY, P.UPDATE_IN_PROGRESS),
)
_UPDATE = (P.UPDATE_UNSUPPORTED, P.UPDATE_IN_PROGRESS)
GET_UPDATE = Route(
    name="get_update",
    method="GET",
    path="/v1/update",
    summary="Both slots of the system, and where an update stands",
    permission=Permission.OBSERVE,
    response=UpdateStatus,
    problems=(*_READ, *_UPDATE),
)
PUT_UPDATE = Route(
    name="put_update",
    method="PUT",
    path="/v1/update",
    summary="Write an update file into the slot that does not run, and check it there; nothing is started",
    permission=Permission.APPLY,
    response=UpdateStatus,
    query=("allow_older",),
    stream=True,
    problems=(*_BODY, *_UPDATE, P.UPDATE_REFUSED, P.UPDATE_OLDER),
)
ACTIVATE_UPDATE = Route(
    name="activate_update",
    method="POST",
    path="/v1/update/activate",
    summary="Restart into the other slot, on trial: what does not become healthy gives way to what runs now",
    permission=Permission.APPLY,
    success=(202,),
    request=Activation,
    response=UpdateStatus,
    problems=(
        *_BODY,
        *_UPDATE,
        P.UPDATE_NOT_READY,
        P.UPDATE_OLDER,
        P.CHANGE_IN_FLIGHT,
        P.AWAITING_CONFIRMATION,
    ),
)
ABANDON_UPDATE = Route(
    name="abandon_update",
    method="DELETE",
    path="/v1/update",
    summary="Empty the slot that does not run",
    permission=Permission.APPLY,
    response=UpdateStatus,
    problems=(*_READ, *_UPDATE),
)
LIVE = Route(
    name="live",
    method="GET",
    path="/v1/health/live",
    summary="The agent answers",
    permission=Permission.OBSERVE,
    response=Health,
    problems=_READ,
)
READY = Route(
    name="ready",
    method="GET",
    path="/v1/health/ready",
    summary="The appliance conforms to its document",
    permission=Permission.OBSERVE,
    response=Health,
    problems=_READ,
)
METRICS = Route(
    name="metrics",
    method="GET",
    path="/v1/metrics",
    summary="Prometheus text exposition",
    permission=Permission.OBSERVE,
    problems=_READ,
)

ROUTES = (
    VERSIONS,
    GET_DESIRED,
    PUT_DESIRED,
    PLAN,
    OBSERVED,
    EXPLAIN,
    CHANGE,
    CONFIRM,
    CANCEL,
    EXTEND,
    FENCE,
    GET_RULES,
    PUT_RULES,
    PATCH_RULES,
    RULE_COUNTERS,
    CSR,
    PUT_CERTIFICATE,
    GET_UPDATE,
    PUT_UPDATE,
    ACTIVATE_UPDATE,
    ABANDON_UPDATE,
    LIVE,
    READY,
    METRICS,
)
