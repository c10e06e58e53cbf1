"""What a provider's controller serves to its tenants' controllers: each sees and does its own.

No path names a tenant: whose it is, the certificate says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from causeway_controller.contract import routes
from causeway_controller.contract.access import Permission
from causeway_controller.contract.halves import HalfOrder, HalfReport
from causeway_controller.contract.joining import Certified, Join, Membership, Renew
from causeway_controller.contract.routes import BODY, OPEN, READ, RULES, Route
from causeway_controller.contract.tenant_view import VersionedResources
from causeway_controller.contract.tunnels import AskTunnel, TunnelEnd
from causeway_wire.problem import ProblemType as P

JOIN_BYTES: Final = 64 * 1024

JOIN = Route(
    name="join",
    method="POST",
    path="/v1/join",
    summary="Accept an invitation; the same key again gets the same certificate, another key an alarm",
    permission=None,
    request=Join,
    response=Certified,
    body_bytes=JOIN_BYTES,
    problems=(
        *OPEN,
        P.TOO_MANY,
        P.TOO_LARGE,
        P.TOO_SLOW,
        P.UNSUPPORTED_MEDIA_TYPE,
        P.INVALID,
        P.INVITATION_VOID,
        P.INVITATION_USED,
    ),
)
MEMBERSHIP = Route(
    name="membership",
    method="GET",
    path="/v1/membership",
    summary="Who asks, whether a new certificate is due, and the keys that the provider is known by",
    permission=Permission.OBSERVE,
    response=Membership,
    query=("knows",),
    problems=READ,
)
RENEW = Route(
    name="renew",
    method="POST",
    path="/v1/membership/certificate",
    summary="Be given a certificate for the next key; the one before counts until the new one was shown",
    permission=Permission.OBSERVE,
    request=Renew,
    response=Certified,
    body_bytes=JOIN_BYTES,
    problems=BODY,
)
LEAVE = Route(
    name="leave",
    method="DELETE",
    path="/v1/membership",
    summary="Leave: from now on the provider knows this controller no more",
    permission=Permission.OBSERVE,
    success=(204,),
    problems=READ,
)

RESOURCES = Route(
    name="resources",
    method="GET",
    path="/v1/resources",
    summary="All that is the tenant's; with `after`, once it differs from that, or `wait` seconds are over",
    permission=Permission.OBSERVE,
    response=VersionedResources,
    query=("after", "wait"),
    problems=READ,
)
START_RUN = replace(routes.START_RUN, path="/v1/hosts/{host}/runs")
RUNS = replace(routes.RUNS, query=("cursor", "limit"))

ORDER_HALF = Route(
    name="order_half",
    method="PUT",
    path="/v1/halves/{half}",
    summary="Open, hold, keep or take back the provider's half of a partial failover; again changes nothing",
    permission=Permission.FAIL_OVER,
    request=HalfOrder,
    response=HalfReport,
    problems=(*BODY, *RULES, P.STALE_EPOCH, P.FAILOVER_IN_PROGRESS),
)
HALF = Route(
    name="half",
    method="GET",
    path="/v1/halves/{half}",
    summary="How far a half is; with `after`, once it is another state than that, or `wait` seconds are over",
    permission=Permission.OBSERVE,
    response=HalfReport,
    query=("after", "wait"),
    problems=READ,
)
TUNNEL = Route(
    name="tunnel",
    method="PUT",
    path="/v1/networks/{network}/tunnel",
    summary="Have the tenant's end of a network's tunnel certified; the same key gets the same certificate",
    permission=Permission.FAIL_OVER,
    request=AskTunnel,
    response=TunnelEnd,
    body_bytes=JOIN_BYTES,
    problems=BODY,
)

TENANT_ROUTES: Final = (
    JOIN,
    MEMBERSHIP,
    RENEW,
    LEAVE,
    RESOURCES,
    START_RUN,
    RUNS,
    routes.RUN,
    routes.RUN_EVENTS,
    routes.RUN_SUMMARY,
    routes.STOP_RUN,
    routes.RETRY_RUN,
    ORDER_HALF,
    HALF,
    TUNNEL,
)
"""Runs are the same here as for staff, and the tenant's only."""
