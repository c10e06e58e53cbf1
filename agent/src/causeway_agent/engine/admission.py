"""May this document be tried now? The order of the questions is part of the contract.

A repeat of what is in force is answered before any precondition, or a retry after a lost answer would be
refused (RFC 9110, 13.1.1 lets a server answer 2xx when the change is already in place). What was accepted and
taken back is never tried again under its generation: it may be a request that was long on its way.
"""

from __future__ import annotations

from dataclasses import dataclass

from causeway_agent.engine import fence
from causeway_agent.engine.state import InForce
from causeway_wire.change import Change, ChangeState
from causeway_wire.desired import Desired, GatewayRole, Idle
from causeway_wire.problem import Problem, ProblemError, ProblemType, problem
from causeway_wire.types import ChangeId, Epoch, Generation

IDLE = str(Idle.__struct_config__.tag)
RETRY_SECONDS = 1.0
"""Advice to a controller that finds a change in flight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preconditions:
    """The conditional headers of a request: entity tags with their quotes, or `*`."""

    if_match: tuple[str, ...] = ()
    if_none_match: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a new document is measured against."""

    in_force: InForce | None
    attempted: tuple[Generation, str] | None
    """Generation and digest of the last accepted document, whatever became of it."""
    spent: ChangeId | None = None
    """The change that brought `attempted`, unless that was put in force for good."""
    epoch: Epoch
    in_flight: Change | None


def is_repeat(new: InForce, standing: Standing) -> bool:
    """Whether the document is in force already, or is being applied."""
    candidates = []
    if standing.in_force is not None:
        candidates.append((standing.in_force.document.generation, standing.in_force.digest))
    if standing.in_flight is not None and standing.attempted is not None:
        candidates.append(standing.attempted)
    return (new.document.generation, new.digest) in candidates


def admit(new: InForce, standing: Standing, preconditions: Preconditions, *, escalate: bool = False) -> None:
    """Raises ProblemError when the document may not be tried; a repeat must be answered before.

    `escalate`: it may go from one failover mode directly to another.
    """
    _check_generation(new, standing)
    if new.document.epoch < standing.epoch:
        raise ProblemError(fence.stale(new.document.epoch, standing.epoch, what="this document"))
    if standing.in_flight is not None:
        raise ProblemError(_occupied(standing.in_flight))
    _check_preconditions(standing.in_force, preconditions)
    if standing.in_force is not None:
        _check_role(new, standing.in_force)
        _check_failover(new, standing.in_force, escalate=escalate)


def _occupied(change: Change) -> Problem:
    if change.state is ChangeState.AWAITING:
        until = f" until {change.deadline:%Y-%m-%d %H:%M:%S} UTC" if change.deadline is not None else ""
        detail = f"change {change.id} awaits its confirmation{until}; confirm it or cancel it first"
        return problem(ProblemType.AWAITING_CONFIRMATION, detail, change=change.id)
    detail = f"wait for change {change.id}"
    return problem(ProblemType.CHANGE_IN_FLIGHT, detail, change=change.id, retry_after=RETRY_SECONDS)


def _check_generation(new: InForce, standing: Standing) -> None:
    generation = new.document.generation
    known = [standing.attempted] if standing.attempted is not None else []
    if standing.in_force is not None:
        known.append((standing.in_force.document.generation, standing.in_force.digest))
    highest = max((number for number, _ in known), default=0)
    if any(number == generation and digest != new.digest for number, digest in known):
        raise ProblemError(
            problem(
                ProblemType.GENERATION_CONFLICT,
                f"generation {generation} was sent before with other content; use {highest + 1} or more",
                pointer="/generation",
                generation=highest,
            )
        )
    if generation < highest:
        raise ProblemError(
            problem(
                ProblemType.STALE_GENERATION,
                f"generation {highest} has been accepted; use {highest + 1} or more",
                pointer="/generation",
                generation=highest,
            )
        )
    if standing.spent is not None and (generation, new.digest) == standing.attempted:
        # Who cancelled it, or heard that it failed, relies on that it is over.
        raise ProblemError(
            problem(
                ProblemType.STALE_GENERATION,
                f"generation {generation} was tried before, in change {standing.spent}, and is not in force; "
                f"use {highest + 1} or more",
                pointer="/generation",
                generation=highest,
                change=standing.spent,
            )
        )


def _check_preconditions(in_force: InForce | None, preconditions: Preconditions) -> None:
    if not preconditions.if_match and not preconditions.if_none_match:
        raise ProblemError(
            problem(
                ProblemType.PRECONDITION_REQUIRED,
                "send If-None-Match: *"
                if in_force is None
                else f"send If-Match: {in_force.etag} to replace it",
            )
        )
    if in_force is None:
        holds = not preconditions.if_match
        detail = "no document is in force; send If-None-Match: * alone"
    else:
        tags = {in_force.etag, "*"}
        matches = not preconditions.if_match or bool(tags & set(preconditions.if_match))
        holds = matches and not tags & set(preconditions.if_none_match)
        detail = f"the document in force is {in_force.etag}"
    if not holds:
        generation = in_force.document.generation if in_force is not None else 0
        raise ProblemError(problem(ProblemType.PRECONDITION_FAILED, detail, generation=generation))


def _check_role(new: InForce, in_force: InForce) -> None:
    if type(new.document.role) is not type(in_force.document.role):
        raise ProblemError(
            problem(
                ProblemType.WRONG_ROLE,
                f"this appliance is a {role_name(in_force)}; deploy another one for another role",
                pointer="/role/kind",
            )
        )


def _check_failover(new: InForce, in_force: InForce, *, escalate: bool) -> None:
    """One type of failover at a time, unless going over is asked for (seed, limitation 1)."""
    now, wanted = failover_mode(in_force.document), failover_mode(new.document)
    if escalate or now == wanted or IDLE in (now, wanted):
        return
    detail = (
        f"{now} failover is in progress; end it first with a document that says {IDLE}, or send this one "
        f"with ?escalate=true to go over to {wanted} in one change"
    )
    raise ProblemError(problem(ProblemType.FAILOVER_IN_PROGRESS, detail, pointer="/role/failover/mode"))


def failover_mode(document: Desired) -> str:
    """The failover mode's tag; a gateway has no failover of its own."""
    role = document.role
    return IDLE if isinstance(role, GatewayRole) else str(role.failover.__struct_config__.tag)


def role_name(document: InForce) -> str:
    """The role's tag: `provider`, `tenant` or `gateway`."""
    return str(document.document.role.__struct_config__.tag)
