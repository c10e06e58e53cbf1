"""From one target to another: find the way, verify, hold back what others hold, go back, close."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from causeway_agent.engine import calculation, conflicts, events
from causeway_agent.engine.machine import Machine
from causeway_agent.engine.state import State
from causeway_agent.errors import BackendError, CompileError
from causeway_agent.plan.compile import compiler
from causeway_agent.plan.model.objects import Claim, Link, Vlan
from causeway_agent.plan.model.target import Facts, Observation, Target
from causeway_agent.plan.steer import closed, describe, diff, guard, holdings
from causeway_agent.plan.steer.operations import Operation, Plan, Put
from causeway_wire.desired import Claims, Desired
from causeway_wire.problem import Problem, ProblemError, ProblemType, combine, problem
from causeway_wire.types import MacAddress

PROBE_SECONDS = 30.0
VERIFY_DELAYS = (0.0, 0.05, 0.2, 0.5)
"""Seconds before each look at the result; the kernel settles some objects asynchronously."""

Base = Callable[[Facts], Target]
"""The target without a document."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Way:
    """From the target before to a new one; `seen` are all that may have left something here."""

    previous: Target
    target: Target
    facts: Facts
    seen: tuple[Target, ...]
    plan: Plan
    released: Mapping[Claim, MacAddress]
    """What was left to other machines when the target was worked out."""


def meant(state: State, document: Desired, facts: Facts) -> Target:
    """The target of the document without what is left to machines that answered late; raises CompileError."""
    return holdings.without(compiler.compile_document(document, facts), state.released)


async def way(machine: Machine, state: State, document: Desired, *, known: Way | None = None) -> Way:
    """Compile, observe, diff and guard; touches nothing. What the document means is taken from `known`, an
    earlier way to it, where that rests on the same facts: a thousand VMs take a tenth of a second.

    Raises ProblemError when the document cannot be meant or must not be tried.
    """
    previous = state.target
    if previous is None:
        raise ProblemError(problem(ProblemType.UNAVAILABLE, "the agent is still starting; try again"))
    facts = await machine.facts()
    released = state.released
    if known is not None and known.facts == facts and known.released is released:
        target = known.target
    else:
        target = await _compiled(state, document, facts)
    seen = (*state.leftovers, previous, target)
    observation = await machine.observe(*seen)
    plan, objections = await calculation.run(lambda: _plan(observation, target, previous))
    if objections:
        raise ProblemError(combine(objections))
    return Way(previous, target, facts, seen, plan, released)


async def _compiled(state: State, document: Desired, facts: Facts) -> Target:
    """Raises ProblemError when the document cannot be meant."""
    try:
        return await calculation.run(lambda: meant(state, document, facts))
    except CompileError as error:
        raise ProblemError(combine(error.problems, more=error.more)) from error


def _plan(observation: Observation, target: Target, previous: Target) -> tuple[Plan, tuple[Problem, ...]]:
    """The operations to the target, and why they must not be carried out."""
    plan = diff.diff(observation, target, previous.policy)
    return plan, guard.guard(plan, target, observation)


async def verify(machine: Machine, seen: tuple[Target, ...], target: Target) -> None:
    """Look until nothing is left to do, doing what is left; raises BackendError when that never ends."""
    left: tuple[str, ...] = ()
    for delay in VERIFY_DELAYS:
        await asyncio.sleep(delay)
        plan = diff.diff(await machine.observe(*seen), target, target.policy)
        if not plan:
            return
        left = tuple(describe.describe(op) for op in plan.operations)
        await machine.carry_out(plan.operations, keep_going=True)
    raise BackendError("verify", "still to do: " + "; ".join(left))


async def conflict(machine: Machine, state: State, document: Desired, plan: Plan) -> Problem | None:
    """Ask the segments for the addresses to be claimed; the problem when a machine answers."""
    taken = await _taken(machine, state, plan, conflicts.rules_of(document))
    return conflicts.address_problem(document, taken) if taken else None


async def permitted(
    machine: Machine, state: State, plan: Plan
) -> tuple[tuple[Operation, ...], Problem | None]:
    """The plan without claims on addresses that other machines answer for, and the problem with those."""
    taken = await _taken(machine, state, plan, conflicts.claim_rules(state.enforced))
    if not taken or state.enforced is None:
        return plan.operations, None
    return plan.without(taken), conflicts.address_problem(state.enforced.document, taken)


async def _taken(machine: Machine, state: State, plan: Plan, rules: Claims) -> conflicts.Taken:
    if not plan.probes:
        return {}
    # After a power cut adapters are down, and nobody can be asked on them.
    asking = tuple(op for op in plan.operations if isinstance(op, Put) and isinstance(op.item, Link | Vlan))
    await machine.carry_out(asking, keep_going=True)
    async with asyncio.timeout(PROBE_SECONDS):
        taken = conflicts.standing(rules, await machine.neighbours.probe(plan.probes))
    state.duplicates = conflicts.duplicates(taken)
    return taken


async def go_back(machine: Machine, state: State, previous: Target, seen: tuple[Target, ...]) -> str:
    """Re-plan to the previous target; says how it went. Where that fails the machine is closed, and the
    reconciler goes on.
    """
    state.leftovers = seen
    try:
        plan = diff.diff(await machine.observe(*seen), previous, previous.policy)
        operations, withheld = await permitted(machine, state, plan)
        errors = await machine.carry_out(operations, keep_going=True)
        if not errors and withheld is not None:
            state.degrade(withheld)
            return f"the previous document is in force again, but {withheld.detail}"
        if not errors:
            await verify(machine, seen, previous)
            state.settle()
            return "the previous document is in force again"
    except (BackendError, TimeoutError) as error:
        errors = (BackendError("going back", str(error)),)
    reason = "; ".join(str(error) for error in errors)
    state.degrade(problem(ProblemType.APPLY_FAILED, f"could not go back: {reason}"))
    await close(machine, state, previous, *seen)
    return f"could not go back yet, and closed until it can: {reason}"


async def close(machine: Machine, state: State, target: Target, *others: Target) -> None:
    """Let nothing pass but controllers, until a look finds the machine as it should be."""
    state.closed = True
    errors = await machine.carry_out(closed.closing(target, *others), keep_going=True)
    _log.error(events.FAILED_CLOSED, reasons=[str(error) for error in errors])


async def previous_target(machine: Machine, state: State, base: Base, known: Target) -> Target:
    """What the document in force means under the facts of now; as `known` where that cannot be said."""
    try:
        facts = await machine.facts()
        if state.in_force is None:
            return base(facts)
        return meant(state, state.in_force.document, facts)
    except (CompileError, BackendError, TimeoutError):
        return known
