"""Workflows: stages in order, steps of a stage at once, and everything taken back when a step fails."""

from __future__ import annotations

import asyncio

import pytest

from causeway_controller.errors import AgentUnreachable, StepFailed
from causeway_controller.failover.events import Event, StepState
from causeway_controller.inventory.modes import Idle, Partial
from causeway_controller.inventory.tenancy import mode
from causeway_controller.workflows.timing import Timing
from causeway_wire.problem import ProblemError, ProblemType, problem
from tests.workflow_bench import SITE, TIMING, Bench

IN_USE = problem(ProblemType.ADDRESS_IN_USE, "192.168.0.20 is answered by 02:aa:00:00:00:01")


async def test_a_failover_with_running_appliances_touches_only_what_it_must() -> None:
    bench = Bench()
    site = await bench.begin_partial(SITE, ["vm-0-0"], epoch=7)
    assert bench.log[0] == "acme-provider vm-0-0"
    assert sorted(bench.log[1:3]) == ["acme-tenant-0 vm-0-0", "on acme/vm-0-0"]
    assert sorted(bench.log[3:]) == ["acme-provider confirmed", "acme-tenant-0 confirmed"]
    assert mode(site, "acme") == Partial(frozenset({"vm-0-0"}))
    assert bench.agents["acme-provider"].epochs == [7]


async def test_appliances_are_booted_first_and_waited_for() -> None:
    bench = Bench(appliances_on=False)
    bench.agents["acme-provider"].boots_in = 3
    await bench.begin_partial(SITE, ["vm-0-0"], epoch=1)
    assert sorted(bench.log[:2]) == ["on acme-provider", "on acme-tenant-0"]
    assert bench.log[2] == "acme-provider vm-0-0"


async def test_steps_of_a_stage_run_at_once() -> None:
    bench = Bench()
    barrier = asyncio.Barrier(2)
    for number in (0, 1):
        bench.agents[f"acme-tenant-{number}"].before_applying = barrier.wait
    async with asyncio.timeout(5):
        await bench.begin_partial(SITE, ["vm-0-0", "vm-1-0"], epoch=1)
    assert mode_of(bench) == {"acme-tenant-0": "vm-0-0", "acme-tenant-1": "vm-1-0"}


def mode_of(bench: Bench) -> dict[str, str]:
    """What the tenant's appliances are."""
    return {name: agent.mode for name, agent in bench.agents.items() if "tenant" in name}


async def test_the_serving_end_is_taken_back_last_and_confirmed_first() -> None:
    bench = Bench()
    asked: dict[str, int | None] = {}
    for agent in bench.agents.values():
        agent.on_apply = lambda name, seconds: asked.update({name: seconds})
    await bench.begin_partial(SITE, ["vm-0-0"], epoch=1)
    served, relied = asked["acme-provider"], asked["acme-tenant-0"]
    assert served is not None
    assert relied is not None
    assert served > relied + TIMING.change
    assert bench.log[-2:] == ["acme-provider confirmed", "acme-tenant-0 confirmed"]


async def test_a_serving_end_that_waits_too_short_is_told_to_wait_longer() -> None:
    bench = Bench(timing=Timing(confirm=1, change=30))
    bench.agents["acme-provider"].after_applying = 2.0
    await bench.begin_partial(SITE, ["vm-0-0"], epoch=1)
    waits = [line for line in bench.log if line.startswith("acme-provider waits")]
    assert waits == ["acme-provider waits 34 s"]
    assert bench.log.index(waits[0]) < bench.log.index("acme-tenant-0 vm-0-0")


async def test_more_vms_join_and_leave_one_by_one() -> None:
    bench = Bench()
    one = await bench.begin_partial(SITE, ["vm-0-0"], epoch=1)
    two = await bench.begin_partial(one, ["vm-0-1", "vm-1-0"], epoch=2)
    less = await bench.undo_partial(two, ["vm-0-0"], epoch=3)
    none = await bench.undo_partial(less, ["vm-0-1", "vm-1-0"], epoch=4)
    assert mode(two, "acme").vms == {"vm-0-0", "vm-0-1", "vm-1-0"}
    assert mode(none, "acme") == Idle()
    assert bench.log[-1] == "acme-provider idle"
    assert not any(bench.hypervisor.on[f"acme/{vm}"] for vm in SITE.tenants["acme"].vms)


async def test_an_original_that_still_answers_stops_the_failover_and_leaves_nothing_behind() -> None:
    bench = Bench()
    bench.agents["acme-tenant-0"].refuse = IN_USE
    with pytest.raises(StepFailed, match=r"192\.168\.0\.20 is answered") as caught:
        await bench.begin_partial(SITE, ["vm-0-0"], epoch=1)
    assert caught.value.undone == ("power off acme/vm-0-0", "configure acme-provider (idle)")
    assert caught.value.kept == ()
    assert bench.hypervisor.on["acme/vm-0-0"] is False
    assert bench.log[-2:] == ["off acme/vm-0-0", "acme-provider cancelled"]


async def test_appliances_that_were_on_stay_on_after_a_failure() -> None:
    bench = Bench()
    bench.agents["acme-tenant-0"].refuse = IN_USE
    with pytest.raises(StepFailed):
        await bench.begin_partial(SITE, ["vm-0-0"], epoch=1)
    assert bench.hypervisor.on["acme-provider"]


async def test_appliances_we_powered_on_go_off_after_a_failure() -> None:
    bench = Bench(appliances_on=False)
    bench.agents["acme-tenant-0"].refuse = IN_USE
    with pytest.raises(StepFailed):
        await bench.begin_partial(SITE, ["vm-0-0"], epoch=1)
    assert not any(bench.hypervisor.on.values())


async def test_a_failed_addition_leaves_the_running_failover_as_it_was() -> None:
    bench = Bench()
    site = await bench.begin_partial(SITE, ["vm-0-0"], epoch=1)
    bench.agents["acme-tenant-0"].refuse = IN_USE
    with pytest.raises(StepFailed):
        await bench.begin_partial(site, ["vm-0-1"], epoch=2)
    assert bench.log[-1] == "acme-provider cancelled"
    assert bench.agents["acme-provider"].mode == "vm-0-0"
    assert bench.hypervisor.on["acme/vm-0-0"]


async def test_what_could_not_be_undone_is_said() -> None:
    bench = Bench()
    bench.agents["acme-provider"].connected = False
    bench.hypervisor.on["acme/vm-0-0"] = False

    def break_after(event: Event) -> None:
        if event.state is StepState.DONE and event.step.sentence == "Power on the replica of vm-0-0":
            bench.hypervisor.broken.add("acme/vm-0-0")

    bench.on_event = break_after
    with pytest.raises(StepFailed, match="NOT undone") as caught:
        await bench.begin_partial(SITE, ["vm-0-0"], epoch=1)
    assert caught.value.undone == ("configure acme-tenant-0 (idle)", "configure acme-provider (idle)")
    assert [kept.split(" (")[0] for kept in caught.value.kept] == ["power off acme/vm-0-0"]


def fall_silent(bench: Bench, appliance: str, *, after: str) -> None:
    """Have the appliance answer nothing any more after the step that begins so."""

    def lose(event: Event) -> None:
        if event.state is StepState.DONE and event.step.sentence.startswith(after):
            bench.agents[appliance].lost = True

    bench.on_event = lose


async def test_what_a_silent_appliance_may_rely_on_is_not_taken_back() -> None:
    bench = Bench()
    fall_silent(bench, "acme-tenant-0", after="Start the VPN servers")
    with pytest.raises(StepFailed, match="NOT undone") as caught:
        await bench.begin_partial(SITE, ["vm-0-0"], epoch=1)
    assert isinstance(caught.value.cause, AgentUnreachable)
    assert caught.value.undone == ()
    assert [kept.split(" (")[0] for kept in caught.value.kept] == [
        "configure acme-tenant-0",
        "power off acme/vm-0-0",
        "configure acme-provider",
    ]
    assert "acme-tenant-0 has not been heard" in caught.value.kept[-1]
    assert bench.hypervisor.on["acme/vm-0-0"]
    assert bench.agents["acme-provider"].mode == "vm-0-0"
    assert bench.agents["acme-provider"].awaiting is not None, "it goes back by itself, after the other"


async def test_an_end_that_falls_silent_before_it_is_confirmed_keeps_what_serves_it() -> None:
    bench = Bench()
    fall_silent(bench, "acme-tenant-0", after="Confirm acme-provider")
    with pytest.raises(StepFailed, match="Confirm acme-tenant-0"):
        await bench.begin_partial(SITE, ["vm-0-0"], epoch=1)
    assert bench.agents["acme-provider"].mode == bench.agents["acme-tenant-0"].mode == "vm-0-0"
    assert bench.hypervisor.on["acme/vm-0-0"]


async def test_who_tries_again_has_nobody_rely_on_what_is_taken_back_to_make_way() -> None:
    bench = Bench()
    fall_silent(bench, "acme-tenant-0", after="Connect the VPN client")
    with pytest.raises(StepFailed, match="NOT undone"):
        await bench.begin_partial(SITE, ["vm-0-0"], epoch=1)
    bench.log.clear()
    bench.on_event = bench.events.append
    bench.agents["acme-tenant-0"].lost = False
    await bench.begin_partial(SITE, ["vm-0-0"], epoch=2)
    assert bench.log[:3] == ["acme-tenant-0 cancelled", "acme-provider cancelled", "acme-provider vm-0-0"]
    assert bench.agents["acme-provider"].mode == bench.agents["acme-tenant-0"].mode == "vm-0-0"


async def test_what_an_appliance_may_rely_on_does_not_make_way_while_it_is_silent() -> None:
    bench = Bench()
    fall_silent(bench, "acme-tenant-0", after="Connect the VPN client")
    with pytest.raises(StepFailed):
        await bench.begin_partial(SITE, ["vm-0-0"], epoch=1)
    bench.agents["acme-tenant-0"].lost = False
    bench.log.clear()

    def lose(event: Event) -> None:
        bench.agents["acme-tenant-0"].lost |= event.step.sentence.startswith("Start the VPN servers")

    bench.on_event = lose
    with pytest.raises(StepFailed, match="acme-tenant-0 has not been heard"):
        await bench.begin_partial(SITE, ["vm-0-0"], epoch=2)
    assert bench.log == [], "nothing was taken back"
    assert bench.agents["acme-provider"].awaiting is not None, "it goes back by itself, after the other"


async def test_a_machine_nobody_deployed_is_named() -> None:
    bench = Bench()
    del bench.hypervisor.on["acme/vm-0-0"]
    with pytest.raises(StepFailed, match="no machine acme/vm-0-0"):
        await bench.begin_partial(SITE, ["vm-0-0"], epoch=1)


async def test_a_tunnel_that_does_not_come_up_is_taken_back() -> None:
    bench = Bench()
    bench.agents["acme-tenant-0"].connected = False
    with pytest.raises(StepFailed, match="server connected, client connecting"):
        await bench.begin_partial(SITE, ["vm-0-0"], epoch=1)
    assert sorted(bench.log[-3:]) == ["acme-provider cancelled", "acme-tenant-0 cancelled", "off acme/vm-0-0"]


async def test_a_lost_book_of_generations_is_caught_up() -> None:
    bench = Bench()
    bench.agents["acme-provider"].in_force = 40
    await bench.begin_partial(SITE, ["vm-0-0"], epoch=1)
    assert bench.agents["acme-provider"].in_force == 41


async def test_progress_tells_every_step_with_its_time() -> None:
    bench = Bench()
    await bench.begin_partial(SITE, ["vm-0-0"], epoch=1)
    finished = [event for event in bench.events if event.state is not StepState.STARTED]
    started = [event for event in bench.events if event.state is StepState.STARTED]
    assert len(finished) == len(started) == 8
    assert [event.state for event in finished[:2]] == [StepState.UNCHANGED, StepState.UNCHANGED]
    assert all(event.seconds >= 0 for event in finished)


async def test_an_invalid_failover_touches_nothing() -> None:
    bench = Bench()
    with pytest.raises(ProblemError):
        await bench.begin_partial(SITE, ["nobody"], epoch=1)
    assert (bench.log, bench.events) == ([], [])


async def test_an_end_that_cannot_be_confirmed_takes_the_other_back_too() -> None:
    bench = Bench()
    bench.agents["acme-tenant-0"].expired = True
    with pytest.raises(StepFailed, match="Confirm acme-tenant-0"):
        await bench.begin_partial(SITE, ["vm-0-0"], epoch=1)
    assert {bench.agents[one].mode for one in ("acme-provider", "acme-tenant-0")} == {"idle"}
    assert not bench.hypervisor.on["acme/vm-0-0"]


async def test_what_a_dead_run_left_unconfirmed_is_cancelled_and_done_anew() -> None:
    bench = Bench()

    def die(event: Event) -> None:
        if event.state is StepState.DONE and "VPN servers" in event.step.sentence:
            raise RuntimeError("the power of the controller is cut")

    bench.on_event = die
    with pytest.raises(ExceptionGroup):
        await bench.begin_partial(SITE, ["vm-0-0"], epoch=1)
    bench.on_event = bench.events.append
    await bench.begin_partial(SITE, ["vm-0-0"], epoch=2)
    assert "acme-provider cancelled" in bench.log
    assert bench.agents["acme-provider"].awaiting is None
