"""Workflows: stages in order, steps of a stage at once, and everything taken back when a step fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from causeway_controller.errors import AgentUnreachable, ChangeFailed, StepFailed
from causeway_controller.failover.steps import MachineRef
from causeway_controller.generations import MemoryBook
from causeway_controller.workflow import Event, StepState, Timing, Workflow
from causeway_wire.change import Change, ChangeState
from causeway_wire.desired import Desired, Idle, Partial, ProviderRole, TenantRole
from causeway_wire.observed import (
    ApplianceState,
    DriftReport,
    Health,
    Observed,
    TunnelReport,
    TunnelState,
)
from causeway_wire.problem import Problem, ProblemError, ProblemType, problem
from tests import sites
from tests.fakes.hypervisor import FakeHypervisor

SITE = sites.site()
TIMING = Timing(power=2, grace=0.1, boot=0.5, change=2, tunnel=0.3, first_poll=0.01, longest_poll=0.02)
IN_USE = problem(ProblemType.ADDRESS_IN_USE, "192.168.0.20 is answered by 02:aa:00:00:00:01")


@dataclass
class FakeAgent:
    """Conforms at once; `refuse` and `lost` make it say no or say nothing."""

    appliance: str
    log: list[str]
    document: Desired | None = None
    refuse: Problem | None = None
    lost: bool = False
    boots_in: int = 0
    """Questions that stay unanswered."""
    in_force: int = 0
    seconds: float = 0.0
    connected: bool = True
    epochs: list[int] = field(default_factory=list)

    async def apply(self, document: Desired, *, timeout: float) -> Change:  # noqa: ASYNC109
        await asyncio.sleep(self.seconds)
        self._reachable()
        if document.generation <= self.in_force:
            raise ProblemError(
                problem(ProblemType.STALE_GENERATION, "newer in force", generation=self.in_force)
            )
        self.in_force = document.generation
        self.epochs.append(document.epoch)
        if self.refuse is not None and not isinstance(_failover(document), Idle):
            raise ChangeFailed(self.appliance, _change(document, ChangeState.REFUSED, self.refuse))
        self.document = document
        self.log.append(f"{self.appliance} {_mode(document)}")
        return _change(document, ChangeState.DONE, None)

    async def observed(self) -> Observed:
        self._reachable()
        role = None if self.document is None else self.document.role
        ids: list[str] = []
        if isinstance(role, ProviderRole):
            ids = [network.tunnel.id for network in role.networks if network.tunnel is not None]
        elif isinstance(role, TenantRole) and role.tunnel is not None:
            ids = [role.tunnel.id]
        state = TunnelState.CONNECTED if self.connected else TunnelState.CONNECTING
        return Observed(
            appliance=self.appliance,
            state=ApplianceState.READY,
            observed_generation=None,
            epoch=0,
            role=None,
            failover="",
            change=None,
            nics=(),
            tunnels=tuple(TunnelReport(id=one, state=state) for one in ids),
            drift=DriftReport(repairs=0),
        )

    async def live(self) -> Health:
        if self.boots_in > 0:
            self.boots_in -= 1
            raise AgentUnreachable(self.appliance, "x", "booting")
        self._reachable()
        return Health(healthy=True)

    def _reachable(self) -> None:
        if self.lost:
            raise AgentUnreachable(self.appliance, "10.0.0.1:8443", "silence")


class Bench:
    """A workflow over fakes that write one common log."""

    def __init__(self, *, appliances_on: bool = True) -> None:
        self.log: list[str] = []
        self.events: list[Event] = []
        self.on_event: Callable[[Event], None] = self.events.append
        tenant = SITE.tenants["acme"]
        ids = [tenant.provider.id, *(appliance.id for appliance in tenant.appliances.values())]
        self.agents = {one: FakeAgent(one, self.log) for one in ids}
        machines = {**dict.fromkeys(ids, appliances_on), **{f"acme/{vm}": False for vm in tenant.vms}}
        self.hypervisor = FakeHypervisor(machines, switched=self.log.append)
        self.workflow = Workflow(
            agents=lambda appliance: self.agents[appliance],
            hypervisors=self._hypervisor,
            generations=MemoryBook(),
            progress=self._progress,
            timing=TIMING,
        )

    def _progress(self, event: Event) -> None:
        self.on_event(event)

    def _hypervisor(self, _: MachineRef) -> FakeHypervisor:
        return self.hypervisor


def _failover(document: Desired) -> object:
    return document.role.failover if isinstance(document.role, ProviderRole | TenantRole) else Idle()


def _mode(document: Desired) -> str:
    failover = _failover(document)
    return "+".join(one.vm for one in failover.replicas) if isinstance(failover, Partial) else "idle"


def _change(document: Desired, state: ChangeState, reason: Problem | None) -> Change:
    return Change(
        id="c",
        generation=document.generation,
        epoch=document.epoch,
        state=state,
        requested_by="c1",
        created=datetime.now(UTC),
        problem=reason,
    )


async def test_a_failover_with_running_appliances_touches_only_what_it_must() -> None:
    bench = Bench()
    site = await bench.workflow.begin_partial(SITE, "acme", ["vm-0-0"], epoch=7)
    assert bench.log[0] == "acme-provider vm-0-0"
    assert sorted(bench.log[1:]) == ["acme-tenant-0 vm-0-0", "on acme/vm-0-0"]
    assert site.failed_over == {"acme": frozenset({"vm-0-0"})}
    assert bench.agents["acme-provider"].epochs == [7]


async def test_appliances_are_booted_first_and_waited_for() -> None:
    bench = Bench(appliances_on=False)
    bench.agents["acme-provider"].boots_in = 3
    await bench.workflow.begin_partial(SITE, "acme", ["vm-0-0"], epoch=1)
    assert sorted(bench.log[:2]) == ["on acme-provider", "on acme-tenant-0"]
    assert bench.log[2] == "acme-provider vm-0-0"


async def test_steps_of_a_stage_run_at_once() -> None:
    bench = Bench()
    for number in (0, 1):
        bench.agents[f"acme-tenant-{number}"].seconds = 0.1
    loop = asyncio.get_running_loop()
    started = loop.time()
    await bench.workflow.begin_partial(SITE, "acme", ["vm-0-0", "vm-1-0"], epoch=1)
    assert loop.time() - started < 0.19


async def test_more_vms_join_and_leave_one_by_one() -> None:
    bench = Bench()
    one = await bench.workflow.begin_partial(SITE, "acme", ["vm-0-0"], epoch=1)
    two = await bench.workflow.begin_partial(one, "acme", ["vm-0-1", "vm-1-0"], epoch=2)
    less = await bench.workflow.undo_partial(two, "acme", ["vm-0-0"], epoch=3)
    none = await bench.workflow.undo_partial(less, "acme", ["vm-0-1", "vm-1-0"], epoch=4)
    assert two.failed_over["acme"] == {"vm-0-0", "vm-0-1", "vm-1-0"}
    assert none.failed_over == {"acme": frozenset()}
    assert bench.log[-1] == "acme-provider idle"
    assert not any(bench.hypervisor.on[f"acme/{vm}"] for vm in SITE.tenants["acme"].vms)


async def test_an_original_that_still_answers_stops_the_failover_and_leaves_nothing_behind() -> None:
    bench = Bench()
    bench.agents["acme-tenant-0"].refuse = IN_USE
    with pytest.raises(StepFailed, match=r"192\.168\.0\.20 is answered") as caught:
        await bench.workflow.begin_partial(SITE, "acme", ["vm-0-0"], epoch=1)
    assert caught.value.undone == ("power off acme/vm-0-0", "configure acme-provider (idle)")
    assert caught.value.kept == ()
    assert bench.hypervisor.on["acme/vm-0-0"] is False
    assert bench.log[-2:] == ["off acme/vm-0-0", "acme-provider idle"]


async def test_appliances_that_were_on_stay_on_after_a_failure() -> None:
    bench = Bench()
    bench.agents["acme-tenant-0"].refuse = IN_USE
    with pytest.raises(StepFailed):
        await bench.workflow.begin_partial(SITE, "acme", ["vm-0-0"], epoch=1)
    assert bench.hypervisor.on["acme-provider"]


async def test_appliances_we_powered_on_go_off_after_a_failure() -> None:
    bench = Bench(appliances_on=False)
    bench.agents["acme-tenant-0"].refuse = IN_USE
    with pytest.raises(StepFailed):
        await bench.workflow.begin_partial(SITE, "acme", ["vm-0-0"], epoch=1)
    assert not any(bench.hypervisor.on.values())


async def test_a_failed_addition_leaves_the_running_failover_as_it_was() -> None:
    bench = Bench()
    site = await bench.workflow.begin_partial(SITE, "acme", ["vm-0-0"], epoch=1)
    bench.agents["acme-tenant-0"].refuse = IN_USE
    with pytest.raises(StepFailed):
        await bench.workflow.begin_partial(site, "acme", ["vm-0-1"], epoch=2)
    assert bench.log[-1] == "acme-provider vm-0-0"
    assert bench.hypervisor.on["acme/vm-0-0"]


async def test_what_could_not_be_undone_is_said() -> None:
    bench = Bench()
    bench.agents["acme-tenant-0"].lost = True
    bench.hypervisor.on["acme/vm-0-0"] = False

    def break_after(event: Event) -> None:
        if event.state is StepState.DONE and event.step.sentence == "Power on the replica of vm-0-0":
            bench.hypervisor.broken.add("acme/vm-0-0")

    bench.on_event = break_after
    with pytest.raises(StepFailed, match="NOT undone") as caught:
        await bench.workflow.begin_partial(SITE, "acme", ["vm-0-0"], epoch=1)
    assert isinstance(caught.value.cause, AgentUnreachable)
    assert caught.value.undone == ("configure acme-provider (idle)",)
    assert [kept.split(" (")[0] for kept in caught.value.kept] == [
        "configure acme-tenant-0",
        "power off acme/vm-0-0",
    ]


async def test_a_machine_nobody_deployed_is_named() -> None:
    bench = Bench()
    del bench.hypervisor.on["acme/vm-0-0"]
    with pytest.raises(StepFailed, match="no machine acme/vm-0-0"):
        await bench.workflow.begin_partial(SITE, "acme", ["vm-0-0"], epoch=1)


async def test_a_tunnel_that_does_not_come_up_is_taken_back() -> None:
    bench = Bench()
    bench.agents["acme-tenant-0"].connected = False
    with pytest.raises(StepFailed, match="server connected, client connecting"):
        await bench.workflow.begin_partial(SITE, "acme", ["vm-0-0"], epoch=1)
    assert sorted(bench.log[-3:]) == ["acme-provider idle", "acme-tenant-0 idle", "off acme/vm-0-0"]


async def test_a_lost_book_of_generations_is_caught_up() -> None:
    bench = Bench()
    bench.agents["acme-provider"].in_force = 40
    await bench.workflow.begin_partial(SITE, "acme", ["vm-0-0"], epoch=1)
    assert bench.agents["acme-provider"].in_force == 41


async def test_progress_tells_every_step_with_its_time() -> None:
    bench = Bench()
    await bench.workflow.begin_partial(SITE, "acme", ["vm-0-0"], epoch=1)
    finished = [event for event in bench.events if event.state is not StepState.STARTED]
    started = [event for event in bench.events if event.state is StepState.STARTED]
    assert len(finished) == len(started) == 6
    assert [event.state for event in finished[:2]] == [StepState.UNCHANGED, StepState.UNCHANGED]
    assert all(event.seconds >= 0 for event in finished)


async def test_an_invalid_failover_touches_nothing() -> None:
    bench = Bench()
    with pytest.raises(ProblemError):
        await bench.workflow.begin_partial(SITE, "acme", ["nobody"], epoch=1)
    assert (bench.log, bench.events) == ([], [])
