"""What tests of changes that await a confirmation do with an engine on fakes."""

from __future__ import annotations

import pytest

from causeway_agent.engine.admission import Preconditions
from causeway_agent.engine.service import Engine
from causeway_wire.change import Change
from causeway_wire.desired import Desired
from causeway_wire.problem import Problem, ProblemError, ProblemType
from tests.agents import Bench

ANY = Preconditions(if_match=("*",))
FIRST = Preconditions(if_none_match=("*",))
LATER = 1e9
"""A connection accepted after everything."""


async def put(engine: Engine, document: Desired, *, confirm: int | None = None) -> Change:
    """Submit the document and wait until its change rests."""
    preconditions = ANY if engine.state.in_force is not None else FIRST
    change, _ = await engine.changes.submit(
        document, requested_by="tests", preconditions=preconditions, confirm=confirm
    )
    found = await engine.records.wait(change.id, seconds=10)
    assert found is not None
    return found


async def final(engine: Engine, change: Change) -> Change:
    found = await engine.records.wait(change.id, seconds=10, final=True)
    assert found is not None
    assert found.final
    return found


def machine(bench: Bench) -> tuple[object, ...]:
    """What lets packets in, out or through."""
    objects = {item for item in bench.kernel.objects.values() if forwards(item) or _lasting(item)}
    return objects, bench.firewall.policy, bench.processes.running()


def _lasting(item: object) -> bool:
    return type(item).__name__ in ("Tun", "Address", "Route", "Rule", "ProxyNeighbour")


async def refused(kind: ProblemType, awaitable: object) -> Problem:
    with pytest.raises(ProblemError) as caught:
        await awaitable  # type: ignore[misc]
    assert caught.value.problem.type == kind.urn
    return caught.value.problem


def forwards(item: object) -> bool:
    return "forwarding" in repr(item) and "'1'" in repr(item)
