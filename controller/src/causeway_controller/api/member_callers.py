"""Who asks where tenants' controllers are served: whoever shows a certificate that counts, now."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

from aiohttp import web

from causeway_controller.api.callers import Caller
from causeway_controller.api.throttle import Throttle
from causeway_controller.contract.access import Role
from causeway_controller.store.members import Member, Members
from causeway_wire.problem import ProblemError, ProblemType, problem


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberCaller(Caller):
    """A tenant's controller."""

    member: Member


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberResolver:
    """Finds out who asks, at each request: a connection may be older than what became of its certificate."""

    members: Members
    throttle: Throttle

    async def caller(self, request: web.Request) -> MemberCaller:
        """Who asks. Raises ProblemError (`unauthenticated`, `too-many`), StoreError."""
        shown = certificate(request)
        member = None if shown is None else await asyncio.to_thread(self.members.find, shown)
        if member is None:
            self.throttle.check(request.remote or "")
            self.throttle.failed(request.remote or "")
            detail = (
                "show the certificate of a controller that joined; an invitation of the provider leads to one"
            )
            raise ProblemError(problem(ProblemType.UNAUTHENTICATED, detail))
        return MemberCaller(
            name=f"controller of {member.tenant}",
            role=Role.TENANT_OPERATOR,
            tenant=member.tenant,
            identity=f"member:{member.tenant}",
            member=member,
        )


def certificate(request: web.Request) -> bytes | None:
    """The certificate (DER) that the connection's other end has shown, and proved to hold the key of."""
    transport = request.transport
    tls: ssl.SSLObject | None = None if transport is None else transport.get_extra_info("ssl_object")
    return None if tls is None else tls.getpeercert(binary_form=True)
