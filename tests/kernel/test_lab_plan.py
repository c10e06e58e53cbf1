"""A failover plan on real packets: who waits starts when the other answers, and is published when it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from causeway_controller.contract.requests import FailBack, FailOverSite, MakePermanent
from causeway_controller.contract.tenant import Readiness
from causeway_controller.inventory.modes import Full, Idle
from causeway_controller.inventory.tenancy import PlannedVm
from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.demo import proofs_full
from causeway_lab.world.steps import Step
from causeway_lab.world.topology import replica_of
from causeway_wire.problem import ProblemError

pytestmark = pytest.mark.kernel

DB, WEB, APP = "db1", "web1", "app2"
CHOSEN = frozenset({DB, WEB, APP})


@pytest_asyncio.fixture(loop_scope="session")
async def planned(lab: Lab) -> AsyncIterator[Lab]:
    """The web server waits for the database, the third VM for neither; no more than two start at once."""
    before, listener = lab.tenant("acme").plan, lab.listener
    lab.follow(
        "acme",
        (
            PlannedVm(vm=DB, ready=Readiness(timeout=60.0)),
            PlannedVm(vm=WEB, after=(DB,), ready=Readiness(timeout=60.0)),
            PlannedVm(vm=APP),
        ),
    )
    try:
        yield lab
    finally:
        lab.listener = listener
        if isinstance(lab.mode("acme"), Full):
            await lab.carry_out(FailBack(tenant="acme", synchronised=True))
        lab.follow("acme", before)


async def test_three_vms_of_which_one_waits_for_another(planned: Lab) -> None:
    told: list[str] = []

    def listen(step: Step) -> None:
        told.append(f"{step.name}: {'begun' if step.seconds is None else 'done'}")

    planned.listener = listen
    rule = next(rule for rule in planned.tenant("acme").publications if rule.id.startswith("web-"))
    outside = proofs_full.outside(planned)
    answered: list[int] = []
    over = asyncio.Event()

    async def ask() -> None:
        """Nothing answers at the public address before the web server was started."""
        while not over.is_set():
            page = await outside.http(rule.public_address, port=rule.public_port)
            if page["status"] is not None:
                answered.append(len(told))
            await asyncio.sleep(0.02)

    asking = asyncio.create_task(ask())
    outcome = await planned.carry_out(FailOverSite(tenant="acme", vms=CHOSEN))
    over.set()
    await asking
    assert outcome.failures == {}
    assert outcome.ready.keys() == {DB, WEB}
    begun = told.index(f"Power on the replica of {WEB}: begun")
    assert told.index(f"The replica of {DB} is ready: done") < begun
    assert told.index(f"Power on the replica of {APP}: begun") < begun
    assert all(at > begun for at in answered)
    rules = proofs_full.rules_named(planned, "acme", "web")
    await proofs_full.published(planned, rules, host=replica_of("acme", WEB))
    for name in (DB, WEB):
        replica = planned.replica(VmRef("acme", name))
        await proofs_full.gateway_kept(replica, proofs_full.gateways_of(planned, replica))


async def test_what_is_permanent_is_given_back_and_its_addresses_are_free(planned: Lab) -> None:
    await planned.carry_out(FailOverSite(tenant="acme", vms=CHOSEN))
    await planned.carry_out(MakePermanent(tenant="acme"))
    with pytest.raises(ProblemError, match="production now"):
        await planned.undo_full("acme")
    await planned.carry_out(FailBack(tenant="acme", synchronised=True))
    assert planned.mode("acme") == Idle()
    assert not any(planned.machines.powered_on(replica_of("acme", vm)) for vm in CHOSEN)
    rule = next(rule for rule in planned.tenant("acme").publications if rule.id.startswith("web-"))
    page = await proofs_full.outside(planned).http(rule.public_address, port=rule.public_port)
    assert page["status"] is None
