"""The provider is asked whether it can do its half before anything is done, by a dry run and by the run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from causeway_controller.api.halves import HalfHandlers
from causeway_controller.contract.requests import FailOver, FailOverSite, MakePermanent, Undo
from causeway_controller.contract.runs import PlannedRun
from causeway_controller.store.halves import Halves
from causeway_controller.workflows import readiness
from causeway_controller.workflows.ports import DRY_RUN
from causeway_wire.problem import ProblemError, ProblemType, problem
from tests.faulty_line import Fault
from tests.linked_sites import HOST, NETWORK, ONES, VM, Linked, agree, linked, there

pytestmark = pytest.mark.timeout(300)

BEGIN = FailOver(tenant="acme", vms=ONES)
UNDO = Undo(tenant="acme", vms=ONES)
APPLIANCE = "acme-provider"


@pytest.fixture
async def both(
    tmp_path: Path, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Linked]:
    monkeypatch.setattr(readiness, "_REST_SECONDS", 0.0)
    async with linked(tmp_path, unused_tcp_port) as made:
        yield made
        assert made.faults == []


def missing(both: Linked) -> None:
    del both.provider.hypervisor.on[APPLIANCE]


def silent(both: Linked) -> None:
    both.provider.agents[APPLIANCE].lost = True


def uncertified(both: Linked) -> None:
    site = both.provider.tenancies.site
    known = site.credentials["acme"]
    ends = {name: replace(one, server_certificate="") for name, one in known.tunnels.items()}
    credentials = {**site.credentials, "acme": replace(known, tunnels=ends)}
    both.provider.tenancies.site = replace(site, credentials=credentials)


def without_replica(both: Linked) -> None:
    site = both.provider.tenancies.site
    vms = {name: one for name, one in site.tenants["acme"].vms.items() if name != VM}
    both.provider.tenancies.site = replace(site, tenants={"acme": replace(site.tenants["acme"], vms=vms)})


def gone_from_its_host(both: Linked) -> None:
    del both.provider.hypervisor.on[f"acme/{VM}"]


LACKS = {
    missing: f"`causeway appliance deploy acme {HOST}`",
    silent: f"`causeway appliance redeploy acme {HOST}`",
    uncertified: "certificate",
    without_replica: VM,
    gone_from_its_host: VM,
}


async def planned(both: Linked, request: FailOver | Undo = BEGIN) -> PlannedRun:
    return await both.tenant.runs.check(request, host=NETWORK)


def untouched(both: Linked) -> None:
    assert (both.provider.log, both.tenant.log) == ([], [])
    assert both.provider.runs_kept.open() == ()
    assert Halves(both.provider._database).get("acme", DRY_RUN) is None


@pytest.mark.parametrize(("lack", "said"), LACKS.items(), ids=lambda one: getattr(one, "__name__", None))
async def test_what_the_provider_would_refuse_a_dry_run_tells_and_the_run_before_it_does_anything(
    both: Linked, lack: Callable[[Linked], None], said: str
) -> None:
    lack(both)
    with pytest.raises(ProblemError) as caught:
        await planned(both)
    found = " ".join(one.detail for one in caught.value.problem.each)
    assert (said in found, found.startswith("north says: ")) == (True, True), found
    untouched(both)
    run = await both.start(BEGIN)
    assert await both.ended(run) == "failed"
    why = both.tenant.last(run.id)[1]["why"]
    assert (said in why, why.startswith("Nothing was touched")) == (True, True), why
    untouched(both)


async def test_what_the_provider_can_do_it_is_asked_for_and_keeps_nothing_of_it(both: Linked) -> None:
    assert (await planned(both)).notes == ()
    untouched(both)


async def test_a_provider_that_is_not_reached_is_told_of_in_a_dry_run(both: Linked) -> None:
    both.line.faults = [Fault.REFUSED] * 500
    with pytest.raises(ProblemError, match=r"no controller answers at .*ask for this again when it answers"):
        await planned(both)
    run = await both.start(BEGIN)
    assert await both.ended(run) == "failed"
    both.line.faults = []
    untouched(both)


async def test_a_question_that_is_lost_is_told_of_in_a_dry_run_and_stops_no_run(both: Linked) -> None:
    lost = [Fault.NONE, *[Fault.REQUEST_LOST] * 2]  # once it has answered that it lives
    both.line.faults = list(lost)
    (note,) = (await planned(both)).notes
    assert note.startswith("north could not be asked whether it can do its half")
    both.line.faults = list(lost)
    run = await both.start(BEGIN)
    assert await both.ended(run) == "finished", both.tenant.last(run.id)
    agree(both, "finished")


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.REQUEST_LOST, Fault.ANSWER_LOST, Fault.REPEATED])
async def test_a_question_and_orders_that_are_lost_or_come_twice_change_nothing(
    both: Linked, fault: Fault
) -> None:
    """Each second message is met, from the question on."""
    both.line.faults = [Fault.NONE, *(fault, Fault.NONE) * 20]
    run = await both.start(BEGIN)
    assert await both.ended(run) == "finished", both.tenant.last(run.id)
    agree(both, "finished")


async def test_a_provider_that_is_too_old_to_be_asked_stops_nothing(
    both: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = HalfHandlers._checked

    async def old(self: HalfHandlers, ask: Any, wanted: Any, run: str) -> Any:
        if wanted.end is UNSET:
            raise ProblemError(problem(ProblemType.MALFORMED, "`dry_run` is for an `end`"))
        return await usual(self, ask, wanted, run)

    monkeypatch.setattr(HalfHandlers, "_checked", old)
    (note,) = (await planned(both)).notes
    assert "older than this one" in note
    run = await both.start(BEGIN)
    assert await both.ended(run) == "finished", both.tenant.last(run.id)
    agree(both, "finished")


async def test_a_provider_that_is_busy_there_is_waited_for(both: Linked) -> None:
    notes: list[str] = []

    async def meanwhile(stage: str, moment: str) -> None:
        if (stage, moment) == ("stage 1", "before"):
            notes.extend((await planned(both)).notes)

    both.provider.engine.at = meanwhile
    assert await there(both, FailOverSite(tenant="acme", vms=ONES)) == "finished"
    (note,) = notes
    assert "for which the run would wait" in note
    both.faults.clear()


async def test_a_dry_run_of_an_undo_asks_too(both: Linked) -> None:
    run = await both.start(BEGIN)
    assert await both.ended(run) == "finished"
    assert (await planned(both, UNDO)).notes == ()
    assert await there(both, MakePermanent(tenant="acme", vms=ONES)) == "finished"
    with pytest.raises(ProblemError, match="its replica is production now"):
        await planned(both, UNDO)
    assert Halves(both.provider._database).get("acme", DRY_RUN) is None
    agree(both, "finished")
