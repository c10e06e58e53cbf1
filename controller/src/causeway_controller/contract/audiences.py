"""The tables of routes, one for each audience; each is served, described and tested whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from causeway_controller.contract.asking_routes import ASKING_ROUTES
from causeway_controller.contract.certificate_routes import CERTIFICATE_ROUTES
from causeway_controller.contract.explain_routes import EXPLAIN_ROUTES
from causeway_controller.contract.gateway_routes import GATEWAY_ROUTES
from causeway_controller.contract.host_routes import HOST_ROUTES
from causeway_controller.contract.member_routes import MEMBER_ROUTES, PROVIDER_ROUTES
from causeway_controller.contract.replica_routes import REPLICA_ROUTES
from causeway_controller.contract.routes import ROUTES, Route
from causeway_controller.contract.tenant_routes import TENANT_ROUTES
from causeway_controller.contract.update_routes import UPDATE_ROUTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Whom a table is served to."""

    routes: tuple[Route, ...]
    title: str
    summary: str
    description: str
    tokens: bool
    """Whether callers are known by tokens; otherwise by the certificate that they show."""


_MANNERS: Final = (
    "Requests are strict; readers of answers tolerate unknown members. Every refusal is an "
    "RFC 9457 problem with a stable type."
)
STAFF: Final = Audience(
    routes=(
        *ROUTES,
        *UPDATE_ROUTES,
        *EXPLAIN_ROUTES,
        *GATEWAY_ROUTES,
        *CERTIFICATE_ROUTES,
        *HOST_ROUTES,
        *REPLICA_ROUTES,
        *ASKING_ROUTES,
        *MEMBER_ROUTES,
        *PROVIDER_ROUTES,
    ),
    title="Causeway controller",
    summary="The API of the controller of network extension appliances",
    description=(
        "Over the Unix socket of the controller's host, where the operator of the host is an admin, or over "
        f"TLS with a token. {_MANNERS} Whoever is bound to a tenant sees nothing of any other: what is "
        "another's is not found."
    ),
    tokens=True,
)
"""The operator of the host, people and programs."""
TENANTS: Final = Audience(
    routes=TENANT_ROUTES,
    title="Causeway controller, for tenants' controllers",
    summary="What a provider's controller serves to the controllers of its tenants",
    description=(
        "Over TLS 1.3 with a client certificate, which a tenant's controller is given for an invitation. The "
        "provider's controller is known by its public key and nothing else. At each request the certificate "
        f"must count still. {_MANNERS} There is nothing of any other tenant here."
    ),
    tokens=False,
)
"""Tenants' controllers."""
