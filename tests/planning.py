"""Targets of documents, and machines on which they were applied: for tests of planning."""

from __future__ import annotations

from dataclasses import replace

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model.target import Target
from causeway_agent.plan.steer.diff import diff
from causeway_wire.desired import Desired
from tests import documents
from tests.fakes.kernel import KernelModel


def compiled(document: Desired, active: dict[str, str] | None = None) -> Target:
    return compile_document(document, replace(documents.FACTS, active=active or {}))


def carry_out(machine: KernelModel, goal: Target, *seen: Target) -> None:
    """The plan to the goal, from what these targets may have left."""
    for operation in diff(machine.observe(*seen), goal).operations:
        machine.apply(operation)


def booted(*targets: Target) -> KernelModel:
    """A machine on which these targets were applied one after the other."""
    machine = KernelModel(adapters=frozenset(documents.DEVICES.values()))
    seen: tuple[Target, ...] = ()
    for target in targets:
        seen = (*seen, target)
        carry_out(machine, target, *seen)
    return machine
