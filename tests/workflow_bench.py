"""A workflow over fakes that write one common log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from causeway_controller.contract.requests import (
    EndRehearsal,
    FailOver,
    FailOverSite,
    Publish,
    Rehearse,
    Undo,
    UndoSite,
)
from causeway_controller.contract.tenant import Hook, Hooks, Readiness
from causeway_controller.failover.events import Event
from causeway_controller.failover.steps import MachineRef
from causeway_controller.inventory.tenancy import PlannedVm, Site
from causeway_controller.store.generations import MemoryBook
from causeway_controller.workflows.failover import Outcome, Workflow
from causeway_controller.workflows.timing import Timing
from causeway_wire.public_rules import PublicRule
from tests import sites
from tests.fakes.agent import FakeAgent
from tests.fakes.hypervisor import FakeHypervisor

SITE = sites.site()
PLAN = "site"
"""A plan of the tenant: three VMs, of which one waits for another, and hooks."""


def planned(site: Site) -> Site:
    """The site whose tenant follows the plan `PLAN`."""
    named = ("before", "hold", "after", "release")
    tenant = replace(
        site.tenants["acme"],
        plan_name=PLAN,
        plan=(
            PlannedVm(vm="vm-0-1", ready=Readiness(timeout=5.0)),
            PlannedVm(vm="vm-0-0", after=("vm-0-1",)),
            PlannedVm(vm="vm-1-0"),
        ),
        hooks=Hooks(**{name: Hook(name=name) for name in named}),
    )
    return replace(site, tenants={"acme": tenant})


TIMING = Timing(
    power=2,
    grace=0.1,
    boot=0.5,
    change=2,
    courtesy=0.2,
    tunnel=0.3,
    mode=0.1,
    trial=0.3,
    ready=0.2,
    first_poll=0.01,
    longest_poll=0.02,
)


class Bench:
    """Agents and machines of one tenant, all idle; replicas answer when they are on."""

    def __init__(self, site: Site = SITE, *, appliances_on: bool = True, timing: Timing = TIMING) -> None:
        self.log: list[str] = []
        self.events: list[Event] = []
        self.on_event: Callable[[Event], None] = self.events.append
        self.deaf: set[str] = set()
        """VMs whose replicas never answer."""
        self.untold: set[str] = set()
        """VMs whose host says nothing of their guests."""
        tenant = site.tenants["acme"]
        ids = [tenant.provider.id, *(appliance.id for appliance in tenant.appliances.values())]
        self.agents = {one: FakeAgent(one, self.log) for one in ids}
        machines = {**dict.fromkeys(ids, appliances_on), **{f"acme/{vm}": False for vm in tenant.vms}}
        self.hypervisor = FakeHypervisor(machines, switched=self.log.append)
        self.workflow = Workflow(
            agents=lambda appliance: self.agents[appliance],
            hypervisors=self._hypervisor,
            generations=MemoryBook(),
            answers=self._answers,
            progress=self._progress,
            timing=timing,
        )

    async def begin_partial(self, site: Site, vms: Iterable[str], *, epoch: int) -> Site:
        """The site afterwards; so are the others' outcomes."""
        request = FailOver(tenant="acme", vms=frozenset(vms))
        return (await self.workflow.carry_out(request, site, epoch=epoch)).site

    async def undo_partial(
        self, site: Site, vms: Iterable[str], *, epoch: int, stop_appliances: bool = False
    ) -> Site:
        request = Undo(tenant="acme", vms=frozenset(vms), stop_appliances=stop_appliances)
        return (await self.workflow.carry_out(request, site, epoch=epoch)).site

    async def begin_full(
        self, site: Site, vms: Iterable[str], *, epoch: int, escalate: bool = False
    ) -> Outcome:
        request = FailOverSite(tenant="acme", vms=frozenset(vms), escalate=escalate)
        return await self.workflow.carry_out(request, site, epoch=epoch)

    async def undo_full(self, site: Site, *, epoch: int, keep_partial: Iterable[str] = ()) -> Outcome:
        request = UndoSite(tenant="acme", keep_partial=frozenset(keep_partial))
        return await self.workflow.carry_out(request, site, epoch=epoch)

    async def begin_rehearsal(self, site: Site, vms: Iterable[str], *, epoch: int) -> Outcome:
        request = Rehearse(tenant="acme", vms=frozenset(vms))
        return await self.workflow.carry_out(request, site, epoch=epoch)

    async def end_rehearsal(self, site: Site, *, epoch: int) -> Outcome:
        return await self.workflow.carry_out(EndRehearsal(tenant="acme"), site, epoch=epoch)

    async def publish(self, site: Site, rules: Iterable[PublicRule], *, epoch: int) -> Site:
        request = Publish(tenant="acme", rules=tuple(rules))
        return (await self.workflow.carry_out(request, site, epoch=epoch)).site

    def running(self) -> set[str]:
        """VMs whose replicas are on."""
        return {name.removeprefix("acme/") for name, on in self.hypervisor.on.items() if on and "/" in name}

    async def _answers(self, tenant: str, vm: str) -> bool | None:
        if vm in self.untold:
            return None
        return self.hypervisor.on[f"{tenant}/{vm}"] and vm not in self.deaf

    def _progress(self, event: Event) -> None:
        self.on_event(event)

    def _hypervisor(self, _: MachineRef) -> FakeHypervisor:
        return self.hypervisor
