"""The lab as one object: both sites up, VMs failed over and back, everything down again.

Runs in a sandbox and in one event loop; the controllers' connections start in the controllers' namespaces.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
from causeway_controller.failover import documents, revocation
from causeway_controller.failover.events import Event, StepState
from causeway_controller.failover.steps import MachineKind, MachineRef
from causeway_controller.fleet.client import AgentClient
from causeway_controller.hypervisors.base import PowerControl, Provider
from causeway_controller.inventory import modes, tenancy
from causeway_controller.inventory.tenancy import PlannedVm, Revocation, Site, Tenant, Vm
from causeway_controller.store import generations
from causeway_controller.workflows import failover as workflow
from causeway_controller.workflows.numbering import numbered
from causeway_lab import sandbox
from causeway_lab.assembly import credentials
from causeway_lab.assembly.appliances import Appliances
from causeway_lab.assembly.machines import Machines
from causeway_lab.assembly.replicas import Replicas
from causeway_lab.hypervisor import LabProvider
from causeway_lab.qemu.provider import QemuProvider
from causeway_lab.world import namespaces, pace
from causeway_lab.world.console import Console
from causeway_lab.world.lines import Lines
from causeway_lab.world.pace import Pace
from causeway_lab.world.steps import Listener, Step, ignore, step
from causeway_lab.world.topology import Topology, original_of, replica_of
from causeway_wire.desired import Desired, StaleAnswer
from causeway_wire.public_rules import PublicRule
from causeway_wire.types import ApplianceId, Generation, SerialNumber, TenantId, VmName

DIRECTORY = Path("/run/causeway-lab")
"""In the sandbox's own tmpfs: keys never reach a disk."""
READY_SECONDS = 0.6
"""For a replica's gateway to answer it, before it is asked again."""


class LabError(Exception):
    """The lab cannot do what was asked; the message says what to do instead."""


@dataclass(frozen=True, slots=True, order=True)
class VmRef:
    """A VM of a tenant, written `tenant/vm`."""

    tenant: TenantId
    vm: VmName

    def __str__(self) -> str:
        return f"{self.tenant}/{self.vm}"

    @classmethod
    def parse(cls, text: str) -> VmRef:
        """From `tenant/vm`; raises LabError."""
        tenant, separator, vm = text.partition("/")
        if not separator or not tenant or not vm:
            raise LabError(f"a VM is written tenant/vm, for example acme/db1; {text!r} is not")
        return cls(tenant, vm)


class Lab:
    """One lab. Call `up` first; `down` ends it, and so does the end of the sandbox."""

    def __init__(
        self,
        topology: Topology,
        *,
        directory: Path = DIRECTORY,
        listener: Listener = ignore,
        image: Path | None = None,
        speed: Pace = pace.PROCESSES,
        agent_python: Path = Path(sys.executable),
    ) -> None:
        """Appliances are processes in namespaces, or with `image`, a qcow2, machines that boot it in QEMU,
        slowly; `speed` is that of processes.

        Processes are run by `agent_python`, in whose environment the agent is installed.
        """
        if not sandbox.inside():
            raise LabError(f"a lab needs a sandbox: {' '.join(sandbox.command('COMMAND'))}")
        self.topology = topology
        self.listener = listener
        self.pace = speed if image is None else pace.MACHINES
        self.machines = Machines(topology.machines, topology.segments, patience=self.pace.answers)
        self.hypervisor = _hypervisor(topology, directory, image, agent_python)
        self.appliances = Appliances(topology, self.hypervisor, directory / "offices", speed=self.pace)
        self.lines = Lines(topology, directory / "lines")
        self.ready_after: Mapping[ApplianceId, float] = {}
        """Seconds from power to an agent that can be connected to."""
        self._replicas = Replicas(self.machines)
        self._generations = generations.MemoryBook()
        self._epochs = itertools.count(1)
        self._site: Site | None = None

    @property
    def site(self) -> Site:
        """The inventory, with the VMs that are failed over now."""
        if self._site is None:
            raise LabError("the lab is not up")
        return self._site

    def agent(self, appliance: ApplianceId) -> AgentClient:
        """The open client of an appliance's agent."""
        return self.appliances.agents[appliance]

    def agent_pid(self, appliance: ApplianceId) -> int | None:
        """Process id of the appliance's agent, while it runs. Raises LabError where appliances boot."""
        if not isinstance(self.hypervisor, LabProvider):
            raise LabError(f"the agent of {appliance} is a process of another kernel")
        return self.hypervisor.agent_pid(appliance)

    async def up(self) -> None:
        """Everything running, enrolled, configured and idle."""
        with step("wire both sites", self.listener):
            namespaces.create_fabric(self.topology.segments)
            await self.appliances.deploy()
        with step("start VMs and agents", self.listener):
            boots = ignore if isinstance(self.hypervisor, LabProvider) else self.listener
            _, self.ready_after = await asyncio.gather(self.machines.up(), self.appliances.power_on(boots))
        with step("enrol agents", self.listener):
            await self.appliances.enrol()
        with step("issue certificates for keys born on the appliances", self.listener):
            self._site = await credentials.make_site(self.topology, self.appliances.agents)
        with step("configure appliances", self.listener):
            epoch = next(self._epochs)
            await asyncio.gather(*(self._apply(name, epoch) for name in self.appliances.agents))

    async def down(self) -> None:
        """Power everything off and remove it, so that another lab may follow in the same sandbox."""
        with step("power everything off", self.listener):
            self.lines.close()
            await asyncio.gather(self.machines.down(), self.appliances.down())
            for machine in self.topology.machines.values():
                namespaces.destroy(machine)
            namespaces.destroy_fabric()

    def override(self, tenant: TenantId, stale: tuple[StaleAnswer, ...]) -> None:
        """From the tenant's next document on these answers are stale, and no others."""
        self.tenant(tenant)
        self._site = tenancy.with_stale(self.site, tenant, stale)

    def follow(self, tenant: TenantId, plan: tuple[PlannedVm, ...]) -> None:
        """From now on the tenant's failovers follow this plan."""
        self._site = tenancy.with_plan(self.site, self.tenant(tenant).id, plan)

    async def revoke(self, *certificates: Revocation) -> None:
        """Have these certificates refused by everybody who could be shown one.

        Raises ProblemError, ChangeFailed or ChangePending; what was revoked stays so in later documents.
        """
        await self._meant(revocation.revoke(self.site, *certificates))

    async def take_back(self, *serials: SerialNumber) -> None:
        """Have these certificates accepted again; raises as `revoke` does."""
        await self._meant(revocation.take_back(self.site, *serials))

    async def failover(self, vms: Iterable[VmRef]) -> None:
        """Fail VMs over, tenants at the same time. Raises ProblemError or StepFailed."""
        requests = [FailOver(tenant=tenant, vms=names) for tenant, names in _by_tenant(vms).items()]
        await asyncio.gather(*map(self.carry_out, requests))

    async def undo(self, vms: Iterable[VmRef]) -> None:
        """End the failover of VMs, tenants at the same time. Raises ProblemError or StepFailed."""
        requests = [Undo(tenant=tenant, vms=names) for tenant, names in _by_tenant(vms).items()]
        await asyncio.gather(*map(self.carry_out, requests))

    async def failover_full(self, tenant: TenantId, *, escalate: bool = False) -> workflow.Outcome:
        """Fail all VMs of the tenant over. Raises ProblemError or StepFailed.

        With `escalate` a partial failover becomes the full one in one change.
        """
        vms = frozenset(self.tenant(tenant).vms)
        return await self.carry_out(FailOverSite(tenant=tenant, vms=vms, escalate=escalate))

    async def undo_full(self, tenant: TenantId, *, keep: Iterable[VmName] = ()) -> workflow.Outcome:
        """End the full failover; `keep` VMs stay at the provider in partial failover.

        Raises ProblemError or StepFailed.
        """
        return await self.carry_out(UndoSite(tenant=tenant, keep_partial=frozenset(keep)))

    async def rehearse(self, tenant: TenantId, *, internet: bool = False) -> workflow.Outcome:
        """Start all replicas beside the running production. Raises ProblemError or StepFailed."""
        vms = frozenset(self.tenant(tenant).vms)
        return await self.carry_out(Rehearse(tenant=tenant, vms=vms, internet=internet))

    async def end_rehearsal(self, tenant: TenantId) -> workflow.Outcome:
        """End the rehearsal. Raises ProblemError or StepFailed."""
        return await self.carry_out(EndRehearsal(tenant=tenant))

    async def publish(self, tenant: TenantId, rules: Sequence[PublicRule]) -> None:
        """Make these the tenant's public rules. Raises ProblemError or StepFailed."""
        await self.carry_out(Publish(tenant=tenant, rules=tuple(rules)))

    async def carry_out(self, request: Request) -> workflow.Outcome:
        """Carry out one request, and remember what became of its tenant; others may move meanwhile.

        Raises LabError, ProblemError or StepFailed.
        """
        name = self.tenant(request.tenant).id
        outcome = await self._workflow().carry_out(request, self.site, epoch=next(self._epochs))
        changed = tenancy.with_mode(self.site, name, tenancy.mode(outcome.site, name))
        self._site = tenancy.with_publications(changed, name, outcome.site.tenants[name].publications)
        return outcome

    async def put(
        self, appliance: ApplianceId, change: Callable[[Desired], Desired] = lambda meant: meant
    ) -> None:
        """Give an appliance the document that the inventory means, or what `change` makes of it.

        Raises ProblemError, ChangeFailed or ChangePending.
        """
        await self._apply(appliance, next(self._epochs), change)

    def mode(self, tenant: TenantId) -> modes.Mode:
        """What the tenant's failover is now."""
        return tenancy.mode(self.site, self.tenant(tenant).id)

    def failed_over(self) -> frozenset[VmRef]:
        """The VMs that run at the provider in place of production now; rehearsed ones do not."""
        return frozenset(
            VmRef(tenant, vm)
            for tenant, mode in self.site.modes.items()
            if not isinstance(mode, modes.Rehearsal)
            for vm in mode.vms
        )

    def vm(self, ref: VmRef) -> Vm:
        """The VM in the inventory; raises LabError naming the ones there are."""
        tenant = self.tenant(ref.tenant)
        if ref.vm not in tenant.vms:
            known = ", ".join(str(VmRef(tenant.id, name)) for name in tenant.vms)
            raise LabError(f"there is no VM {ref}; {tenant.id} has {known}")
        return tenant.vms[ref.vm]

    def tenant(self, name: TenantId) -> Tenant:
        """The tenant in the inventory; raises LabError naming the ones there are."""
        try:
            return (self.topology if self._site is None else self._site).tenants[name]
        except KeyError:
            raise LabError(f"there is no tenant {name}, only {', '.join(self.topology.tenants)}") from None

    def original(self, ref: VmRef) -> Console:
        """The console of the production VM, while it runs."""
        return self.machines.console(original_of(ref.tenant, ref.vm))

    def replica(self, ref: VmRef) -> Console:
        """The console of the replica, while it runs."""
        return self.machines.console(replica_of(ref.tenant, ref.vm))

    def neighbour(self, ref: VmRef) -> Console | None:
        """Another production VM of the same network that runs, to look from; None when there is none."""
        tenant, wanted = self.tenant(ref.tenant), self.vm(ref)
        for other in tenant.vms.values():
            name = original_of(tenant.id, other.name)
            if other.network == wanted.network and other != wanted and self.machines.powered_on(name):
                return self.machines.console(name)
        return None

    async def _answers(self, tenant: TenantId, vm: VmName) -> bool:
        """Whether the replica has its network: it runs, and its gateway answers it."""
        name = replica_of(tenant, vm)
        if not self.machines.powered_on(name):
            return False
        gateways = self.topology.machines[name].gateways
        return await self.machines.console(name).reaches(gateways[0], patience=READY_SECONDS)

    def _workflow(self) -> workflow.Workflow:
        return workflow.Workflow(
            agents=self.agent,
            hypervisors=self._provider,
            generations=self._generations,
            answers=self._answers,
            progress=self._tell,
            timing=self.pace.workflow,
        )

    def _provider(self, machine: MachineRef) -> PowerControl:
        return self._replicas if machine.kind is MachineKind.REPLICA else self.hypervisor

    def _tell(self, event: Event) -> None:
        match event.state:
            case StepState.STARTED:
                self.listener(Step(name=event.step.sentence))
            case StepState.DONE | StepState.UNCHANGED:
                self.listener(Step(name=event.step.sentence, seconds=event.seconds))
            case StepState.UNDONE:
                self.listener(Step(name=f"Taken back: {event.step.sentence}", seconds=event.seconds))
            case StepState.FAILED | StepState.SKIPPED | StepState.UNDO_FAILED:
                self.listener(Step(name=event.step.sentence, seconds=event.seconds, error=str(event.error)))

    async def _meant(self, site: Site) -> None:
        """Make this the inventory, and send the documents that mean something else now."""
        before, self._site = self.site, site
        changed = [one for one in self.appliances.agents if _document(before, one) != _document(site, one)]
        epoch = next(self._epochs)
        await asyncio.gather(*(self._apply(appliance, epoch) for appliance in changed))

    async def _apply(
        self,
        appliance: ApplianceId,
        epoch: int,
        change: Callable[[Desired], Desired] = lambda meant: meant,
    ) -> None:

        async def send(generation: Generation) -> None:
            document = documents.document(self.site, appliance, generation=generation, epoch=epoch)
            await self.agent(appliance).apply(change(document), timeout=self.pace.apply)

        await numbered(self._generations, appliance, send)


def _hypervisor(topology: Topology, directory: Path, image: Path | None, agent_python: Path) -> Provider:
    if image is None:
        return LabProvider(
            segments=topology.segments,
            directory=directory,
            agent_python=agent_python,
            port_groups=topology.port_groups,
        )
    return QemuProvider(image=image, segments=topology.segments, directory=directory)


def _document(site: Site, appliance: ApplianceId) -> Desired:
    """To compare: what the appliance should be, whatever its generation."""
    return documents.document(site, appliance, generation=1, epoch=0)


def _by_tenant(vms: Iterable[VmRef]) -> dict[TenantId, frozenset[VmName]]:
    grouped: dict[TenantId, set[VmName]] = {}
    for ref in vms:
        grouped.setdefault(ref.tenant, set()).add(ref.vm)
    return {tenant: frozenset(names) for tenant, names in grouped.items()}
