"""Requests as JSON, planned and judged: one form for API, run and history."""

from __future__ import annotations

import pytest

from causeway_controller.contract import requests
from causeway_controller.contract.requests import (
    EndRehearsal,
    FailOver,
    FailOverSite,
    Publish,
    Rehearse,
    Request,
    Undo,
    UndoSite,
)
from causeway_controller.errors import AgentUnreachable
from causeway_controller.failover import planning
from causeway_controller.failover.events import Event, StepState
from causeway_controller.failover.steps import Power, Ready, Step
from causeway_controller.inventory.modes import Full, Idle, Mode, Partial, Rehearsal
from causeway_controller.inventory.tenancy import with_mode
from causeway_wire import codec
from causeway_wire.problem import ProblemError
from tests import sites

SITE = sites.site()
ALL = frozenset(SITE.tenants["acme"].vms)
ONE, OTHER = frozenset({"vm-0-0"}), frozenset({"vm-0-1"})
RULES = SITE.tenants["acme"].publications

EXAMPLES: tuple[tuple[Request, Mode, Mode], ...] = (
    (FailOver(tenant="acme", vms=ONE), Idle(), Partial(ONE)),
    (FailOver(tenant="acme", vms=OTHER), Partial(ONE), Partial(ONE | OTHER)),
    (Undo(tenant="acme", vms=ONE, stop_appliances=True), Partial(ONE), Idle()),
    (Undo(tenant="acme", vms=ONE), Partial(ONE | OTHER), Partial(OTHER)),
    (FailOverSite(tenant="acme", vms=ALL), Idle(), Full(ALL)),
    (FailOverSite(tenant="acme", vms=ALL, escalate=True), Partial(ONE), Full(ALL)),
    (UndoSite(tenant="acme"), Full(ALL), Idle()),
    (UndoSite(tenant="acme", keep_partial=ONE), Full(ALL), Partial(ONE)),
    (Rehearse(tenant="acme", vms=ALL, internet=True), Idle(), Rehearsal(ALL, internet=True)),
    (EndRehearsal(tenant="acme"), Rehearsal(ALL), Idle()),
    (Publish(tenant="acme", rules=RULES), Full(ALL), Full(ALL)),
)
"""A request, the mode before, the mode when every step went through."""


def done(plan: planning.Plan) -> list[Event]:
    return [Event(step=step, state=StepState.DONE, seconds=1.5) for step in plan.steps]


@pytest.mark.parametrize(("request_", "before", "after"), EXAMPLES)
def test_a_request_survives_json_and_means_the_same(request_: Request, before: Mode, after: Mode) -> None:
    text = codec.encode(request_)
    read = requests.read(text)
    assert read == request_
    plan = planning.plan(read, with_mode(SITE, "acme", before))
    assert plan.steps
    assert planning.after(plan, done(plan)) == after


def test_a_member_that_no_request_has_is_refused_by_name() -> None:
    with pytest.raises(ProblemError) as caught:
        requests.read(b'{"request":"undo","tenant":"acme","vms":["a"],"force":true}')
    assert caught.value.problem.pointer == "/force"


def test_a_request_that_cannot_be_meant_is_refused_before_anything_is_touched() -> None:
    running = with_mode(SITE, "acme", Partial(ONE))
    for request in (
        Undo(tenant="acme", vms=OTHER),
        FailOverSite(tenant="acme", vms=ALL),
        Rehearse(tenant="acme", vms=ALL),
        FailOver(tenant="nobody", vms=ONE),
    ):
        with pytest.raises(ProblemError):
            planning.plan(request, running)


def test_replicas_that_did_not_start_are_not_in_the_mode() -> None:
    plan = planning.plan(FailOverSite(tenant="acme", vms=ALL), SITE)

    def ended(step: Step) -> Event:
        failed = isinstance(step.action, Power) and step.action.machine.name == "vm-0-1"
        error = AgentUnreachable("vm-0-1", "x", "y") if failed else None
        return Event(step=step, state=StepState.FAILED if failed else StepState.DONE, error=error)

    assert planning.after(plan, map(ended, plan.steps)) == Full(ALL - OTHER)


def test_time_to_ready_is_that_of_replicas_that_answered() -> None:
    plan = planning.plan(Rehearse(tenant="acme", vms=ALL), SITE)
    assert planning.ready(done(plan)) == dict.fromkeys(ALL, 1.5)
    silent = [
        Event(step=step, state=StepState.FAILED, error=TimeoutError())
        for step in plan.steps
        if isinstance(step.action, Ready)
    ]
    assert planning.ready(silent) == {}
