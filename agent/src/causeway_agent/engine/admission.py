"""May this document be tried now? The order of the questions is part of the contract.

A repeat of what is in force is answered before any precondition, or a retry after a lost answer would be
refused (RFC 9110, 13.1.1 lets a server answer 2xx when the change is already in place).
"""

from __future__ import annotations

from dataclasses import dataclass

from causeway_agent.engine.state import InForce
from causeway_wire.change import Change
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Epoch, Generation

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


def admit(new: InForce, standing: Standing, preconditions: Preconditions) -> None:
    """Raises ProblemError when the document may not be tried; a repeat must be answered before."""
    _check_generation(new, standing)
    if new.document.epoch < standing.epoch:
        raise ProblemError(
            problem(
                ProblemType.STALE_EPOCH,
                f"epoch {standing.epoch} has been accepted; this document is of epoch {new.document.epoch}",
                pointer="/epoch",
            )
        )
    if standing.in_flight is not None:
        raise ProblemError(
            problem(
                ProblemType.CHANGE_IN_FLIGHT,
                f"wait for change {standing.in_flight.id}",
                change=standing.in_flight.id,
                retry_after=RETRY_SECONDS,
            )
        )
    _check_preconditions(standing.in_force, preconditions)
    if standing.in_force is not None:
        _check_role(new, standing.in_force)


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


def role_name(document: InForce) -> str:
    """The role's tag: `provider`, `tenant` or `gateway`."""
    return str(document.document.role.__struct_config__.tag)
