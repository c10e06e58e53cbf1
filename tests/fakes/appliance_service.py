"""Who deploys appliances, and deploys none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from ipaddress import ip_address

from causeway_controller.contract.appliances import Progress, StoredUpdate, UpdateProgress
from causeway_controller.contract.explain import Leg, NamedEnd, PathAnswer, Question
from causeway_controller.contract.hosts import (
    Finding,
    Grade,
    HostReport,
    HostVm,
    HostVms,
    LintReport,
    Topic,
    VmNic,
)
from causeway_controller.contract.provider import HostKind
from causeway_controller.contract.tenant import ReplicaVm
from causeway_controller.hypervisors.base import HypervisorError
from causeway_wire.explanation import PathStage
from causeway_wire.problem import Problem, ProblemError
from causeway_wire.types import ApplianceId, Name, TenantId, VmName


class FakeAppliances:
    """Deploys in no time; `failing` is raised instead."""

    def __init__(self) -> None:
        self.asked: list[tuple[TenantId, Name]] = []
        self.told: list[tuple[str, bool, str]] = []
        self.failing: Exception | None = None
        self.overruled = False

    async def ensure(self, tenant: TenantId, host: Name, *, overrule: bool = False) -> ApplianceId:
        self.asked.append((tenant, host))
        self.overruled |= overrule
        if self.failing is not None:
            raise self.failing
        return f"{tenant}-{host}" if tenant else host

    async def rotate(self, tenant: TenantId, host: Name, *, revoke: bool, actor: str) -> ApplianceId:
        self.told.append(("rotate", revoke, actor))
        return await self.ensure(tenant, host)


class FakeUpdates:
    """Updates in `rounds` times of asking; those in `failing` fall back."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.octets = 0
        self.rounds = 1
        self.failing: set[ApplianceId] = set()

    async def store(self, chunks: AsyncIterator[bytes]) -> StoredUpdate:
        self.octets = sum([len(chunk) async for chunk in chunks])
        return StoredUpdate(build="b" * 64, version="2", octets=self.octets)

    async def update(
        self, tenant: TenantId, host: Name, *, build: str, allow_older: bool, interrupt: bool
    ) -> UpdateProgress:
        name = f"{tenant}-{host}" if tenant else host
        self.asked.append(name)
        if self.asked.count(name) < self.rounds:
            return UpdateProgress(appliance=name, progress=Progress.UNDER_WAY)
        if name in self.failing:
            return UpdateProgress(appliance=name, progress=Progress.FAILED, detail="slot a runs again")
        return UpdateProgress(appliance=name, progress=Progress.DONE, detail="it runs 2 in slot b")


class FakeExplaining:
    """Explains every packet alike."""

    async def explain(self, question: Question) -> PathAnswer:
        ends, named = [ip_address("192.0.2.1"), ip_address("192.0.2.2")], list[NamedEnd]()
        for n, one in enumerate((question.source, question.destination)):
            if isinstance(one, str):
                also = (ip_address("2001:db8::1"),)
                named.append(NamedEnd(name=one, tenant="acme", vm=one.lower(), address=ends[n], also=also))
            else:
                ends[n] = one
        asked = question.between(ends[0], ends[1], question.tenant)
        stage = PathStage(stage="filtered", text="no", passes=False, advice="Fail db1 over.")
        leg = Leg(where="the provider's appliance a1", verdict="dropped", passes=False, stages=(stage,))
        return PathAnswer(
            tenant=asked.tenant or "acme",
            host=asked.host or "esx1",
            mode="partial",
            verdict=f"{asked.source} to {asked.destination} is stopped",
            advice=" ".join(asked.query.values()),
            works=False,
            legs=(leg,),
            named=tuple(named),
        )


class FakeHosts:
    """Every host lacks a network, but `good`; `dead` does not answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.refuses: Exception | None = None
        self.misfitting: dict[str, Problem] = {}
        """By the ids of VMs."""

    async def check(self, name: Name) -> HostReport:
        good = Finding(topic=Topic.REACHED, grade=Grade.GOOD, text="it answers")
        lacking = Finding(topic=Topic.NETWORKS, grade=Grade.PROBLEM, text="no bridge br7", advice="make it")
        findings = (good,) if name == "good" else (good, lacking)
        return HostReport(host=name, kind=HostKind.LIBVIRT, ready=name == "good", findings=findings)

    async def vms(self, name: Name) -> HostVms:
        if name == "dead":
            raise HypervisorError("host dead cannot be reached")
        nic = VmNic(mac="02:00:00:00:00:07", network="bridge:br7")
        one = HostVm(id="7c1f", name="db1", powered_on=False, nics=(nic,), known_as="replica acme/db1")
        free = HostVm(id="9e2a", name="Web1_replica", powered_on=False)
        return HostVms(host=name, vms=(one, free))

    async def renamed(self, name: Name, before: str, vm_id: str, **_: object) -> None:
        self.asked.append((name, f"{before} -> {vm_id}"))
        if self.refuses is not None:
            raise self.refuses

    async def lint(self) -> LintReport:
        gone = Finding(topic=Topic.REPLICAS, grade=Grade.PROBLEM, text="db1 is gone", advice="replicate it")
        well = Finding(topic=Topic.REPLICAS, grade=Grade.GOOD, text="1 of 1 are well")
        reports = (("esx1", well, True), ("kvm1", gone, False))
        return LintReport(
            hosts=tuple(
                HostReport(host=name, kind=HostKind.LIBVIRT, ready=ready, findings=(one,))
                for name, one, ready in reports
            )
        )

    async def misfits(
        self, name: Name, wanted: Mapping[VmName, ReplicaVm], **_: object
    ) -> Mapping[VmName, Problem]:
        here = {vm: one.vm_id for vm, one in wanted.items() if one.host == name}
        self.asked += ((name, vm_id) for vm_id in here.values())
        if isinstance(self.refuses, ProblemError):
            return dict.fromkeys(here, self.refuses.problem)
        if self.refuses is not None:
            raise self.refuses
        return {vm: self.misfitting[vm_id] for vm, vm_id in here.items() if vm_id in self.misfitting}
