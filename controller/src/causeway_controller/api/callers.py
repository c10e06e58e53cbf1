"""Who asks: the operator of this host over its Unix socket, or whoever shows a token over TLS."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from dataclasses import dataclass
from typing import Final, Protocol

from aiohttp import web
from msgspec import UNSET

from causeway_controller.api.throttle import Throttle
from causeway_controller.contract.access import Permission, Role, granted
from causeway_controller.contract.tokens import Token
from causeway_controller.inventory import health
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import TenantId

_CREDENTIALS: Final = struct.Struct("3i")
"""pid, uid, gid (unix(7), SO_PEERCRED)."""
_PEER_GROUPS: Final = 59
"""SO_PEERGROUPS, Linux 4.13 and newer: all groups that the peer was in when it connected."""
_GROUPS_OCTETS: Final = 1024
"""As many as Python asks for at most: 256 groups. Who is in more is known by the first one only."""
_SCHEME: Final = "bearer"


class TokenBook(Protocol):
    """Where tokens are known."""

    def find(self, secret: str) -> Token | None:
        """The valid token with this secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, and what they may."""

    name: str
    role: Role
    tenant: TenantId | None = None
    """The only tenant that exists for them; None for all."""
    identity: str
    """Never another caller's: the token, or the user of this host."""

    @property
    def permissions(self) -> frozenset[Permission]:
        """What the caller may do."""
        return granted(self.role, self.tenant)

    def check(self, permission: Permission) -> None:
        """Raise ProblemError (`not-allowed`) unless the caller may do this."""
        if permission not in self.permissions:
            within = "" if self.tenant is None else f" of tenant {self.tenant}"
            detail = f"this needs the permission {permission}, which {self.role} {self.name}{within} has not"
            raise ProblemError(problem(ProblemType.NOT_ALLOWED, detail))

    def sees(self, tenant: TenantId) -> bool:
        """Whether the tenant exists for this caller."""
        return self.tenant in {None, tenant}

    def see(self, tenant: TenantId, what: str = "") -> None:
        """Raise ProblemError (`not-found`) for another tenant's, in the words for what does not exist:
        without any, for the tenant.
        """
        if not self.sees(tenant):
            raise not_found(what) if what else no_tenant(tenant)


class Knows(Protocol):
    """Finds out who asks."""

    async def caller(self, request: web.Request) -> Caller:
        """Who asks. Raises ProblemError (`unauthenticated`, `too-many`), StoreError."""


def no_tenant(tenant: TenantId) -> ProblemError:
    """Return the problem of a tenant that does not exist, also for the caller."""
    return ProblemError(problem(ProblemType.NOT_FOUND, health.no_tenant(tenant)))


def not_found(what: str) -> ProblemError:
    """The problem of what does not exist, and of what does not exist for the caller."""
    return ProblemError(problem(ProblemType.NOT_FOUND, f"there is no {what}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """Finds out who asks."""

    tokens: TokenBook
    throttle: Throttle
    group: int | None = None
    """Whose members are admins at the socket."""

    async def caller(self, request: web.Request) -> Caller:
        """Who asks. Raises ProblemError (`unauthenticated`, `too-many`), StoreError."""
        found = _socket(request)
        if found is not None and found.family == socket.AF_UNIX:
            return _local(found, self.group)
        source = request.remote or ""
        self.throttle.check(source)
        secret = _secret(request)
        token = None if secret is None else await asyncio.to_thread(self.tokens.find, secret)
        if token is None:
            self.throttle.failed(source)
            detail = "send a valid token as `Authorization: Bearer TOKEN`; an admin makes one"
            raise ProblemError(problem(ProblemType.UNAUTHENTICATED, detail))
        tenant = None if token.tenant is UNSET else token.tenant
        return Caller(name=token.name, role=token.role, tenant=tenant, identity=f"token:{token.id}")


def _socket(request: web.Request) -> socket.socket | None:
    transport = request.transport
    return None if transport is None else transport.get_extra_info("socket")


def _local(channel: socket.socket, group: int | None) -> Caller:
    """The socket's mode lets its owner, root and a group in; who it is, the kernel says."""
    credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, first = _CREDENTIALS.unpack(credentials)
    if user not in {0, os.geteuid()} and (group is None or group not in {first, *_groups(channel)}):
        detail = (
            "over the socket, only root, the controller's user and the members of socket_group are known; "
            "join that group, or use a token over TLS"
        )
        raise ProblemError(problem(ProblemType.UNAUTHENTICATED, detail))
    return Caller(name=f"uid-{user}", role=Role.ADMIN, identity=f"uid:{user}")


def _groups(channel: socket.socket) -> tuple[int, ...]:
    try:
        octets = channel.getsockopt(socket.SOL_SOCKET, _PEER_GROUPS, _GROUPS_OCTETS)
    except OSError:  # ERANGE
        return ()
    return tuple(number for (number,) in struct.iter_unpack("I", octets))


def _secret(request: web.Request) -> str | None:
    values = request.headers.getall("Authorization", [])
    if len(values) != 1:
        return None
    scheme, _, secret = values[0].partition(" ")
    return secret.strip() if scheme.lower() == _SCHEME else None
