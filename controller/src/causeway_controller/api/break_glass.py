"""What a break-glass code may: start the full failover of its tenant, once on each host, and follow it.

It is a token on paper, for staff whose own site is gone and whatever knew them with it. Its first use begins
a session, after which it is worth nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from causeway_controller.api.callers import Caller
from causeway_controller.contract.access import Role
from causeway_controller.contract.requests import FailOverSite, Request
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Name

SESSION: Final = timedelta(hours=12)
"""Shorter than keys of requests are kept (`idempotency.KEPT`): what it did once it never does again."""


def is_shown(caller: Caller) -> bool:
    """Whether the caller has no more than such a code."""
    return caller.role is Role.BREAK_GLASS


def check(caller: Caller, request: Request) -> None:
    """Raise ProblemError (`not-allowed`) for what a code does not start."""
    if is_shown(caller) and not isinstance(request, FailOverSite):
        detail = "a break-glass code starts a full failover, and nothing else"
        raise ProblemError(problem(ProblemType.NOT_ALLOWED, detail, pointer="/request"))


def refuse(caller: Caller, act: str) -> None:
    """Raise ProblemError (`not-allowed`) when the caller has no more than a code."""
    if is_shown(caller):
        detail = f"a break-glass code starts a full failover; to {act} one is not among what it may"
        raise ProblemError(problem(ProblemType.NOT_ALLOWED, detail))


def check_retry(caller: Caller, actor: str) -> None:
    """Raise ProblemError (`not-allowed`) when a code is to retry what another one (`actor`) began."""
    if is_shown(caller) and actor != caller.name:
        detail = f"a break-glass code retries what it began itself; {actor} began this: start it anew"
        raise ProblemError(problem(ProblemType.NOT_ALLOWED, detail))


def key(host: Name) -> str:
    """Return the idempotency key of what a code starts on this host: one request, which may be repeated."""
    return f"break-glass/{host}"


def used(host: Name) -> ProblemError:
    """Return the refusal of another request on the same host."""
    detail = f"this break-glass code has started a full failover on {host}; see `causeway run list`"
    return ProblemError(problem(ProblemType.NOT_ALLOWED, detail))


def token(caller: Caller) -> str:
    """Return the identifier of the caller's code."""
    return caller.identity.removeprefix("token:")
