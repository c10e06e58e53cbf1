"""A tenant on one kind of host and its provider on another, in one failover by two controllers.

Both controllers, their stores, the line between them and the providers are real, and so is each host as far
as its kind is. The agents are fakes: no appliance boots on these machines.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest
from pyVmomi import vim

from causeway_controller.contract.requests import FailOver, FailOverSite, Undo, UndoSite
from causeway_controller.hypervisors.base import Machine, Provider, unwatched
from tests import linked_sites
from tests.conformance import kinds
from tests.conformance.kinds import HypervKind, Kind, LibvirtKind, VsphereKind
from tests.fakes.hypervisor import FakeHypervisor
from tests.hyperv.host import THEIRS
from tests.linked_sites import ONES, VM, Linked, SiteBench, linked

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(300)]

APPLIANCES = ("acme-provider", "acme-tenant-0")
REPLICA = f"acme/{VM}"
UUID = "7c1f6c3e-5a0e-4a53-9b1c-0242ac120002"
"""Of a libvirt host's."""
_DOMAIN = f"""<domain type='qemu'><name>db1</name><uuid>{UUID}</uuid><memory unit='MiB'>16</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"""
PAIRS = (("libvirt", "hyperv"), ("vsphere", "hyperv"), ("hyperv", "vsphere"), ("vsphere", "libvirt"))
"""The kind of the tenant's host, and that of the provider's."""


@dataclass
class Placed:
    """The machines of one site, each on its host; `on` is what was commanded and done there."""

    there: Provider
    ids: dict[str, str]
    """What the host calls the machine."""
    on: dict[str, bool]

    async def find(self, owner_id: str) -> Machine | None:
        return await self.there.find(self.ids[owner_id])

    async def power(self, owner_id: str, *, on: bool, grace: float) -> None:
        await self.there.power(self.ids[owner_id], on=on, grace=0)
        self.on[owner_id] = on


async def state(provider: Provider, identifier: str) -> bool:
    """Whether the machine is on, as its host says to whoever asks anew."""
    found = await provider.find(identifier)
    assert found is not None
    return found.powered_on


async def placed(kind: Kind, appliance: str, replica: str | None) -> Placed:
    """This site's appliance deployed there, and a replica that is somebody else's VM, all off."""
    provider = kind.direct()
    await provider.deploy(kinds.renamed(kind.spec, appliance), unwatched)
    ids = {appliance: appliance}
    if replica is not None:
        ids[REPLICA] = replica
        await provider.power(replica, on=False, grace=0)
    return Placed(there=provider, ids=ids, on=dict.fromkeys(ids, False))


def replica_of(kind: Kind) -> str:
    """A VM of somebody else's."""
    if isinstance(kind, VsphereKind):
        return str(kind.centre.named(vim.VirtualMachine, "DC0_C0_RP0_VM0").config.instanceUuid)
    if isinstance(kind, HypervKind):
        return str(THEIRS)
    assert isinstance(kind, LibvirtKind)
    return UUID


def use(bench: SiteBench, machines: Placed) -> None:
    """Have the site's controllers command these, as slowly as hosts are."""
    bench.hypervisor = cast(FakeHypervisor, machines)
    bench.timing = replace(bench.timing, power=60)
    bench.again()


@asynccontextmanager
async def opened(request: pytest.FixtureRequest, name: str) -> AsyncIterator[Kind]:
    """One kind of host; on libvirt's there is a VM of somebody else's, as on the others."""
    if name != "libvirt":
        async with kinds.opened(request, name) as kind:
            yield kind
        return
    daemon = request.getfixturevalue("daemon")
    daemon.ask(lambda connection: connection.defineXML(_DOMAIN))
    async with kinds.opened(request, name) as kind:
        yield kind
    daemon.ask(lambda connection: connection.lookupByUUIDString(UUID).undefine())


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Halves wait for each other as long as hosts need."""
    monkeypatch.setattr(linked_sites, "PATIENCE", replace(linked_sites.PATIENCE, order=30, open=90, end=90))


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(("here", "kind"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
@pytest.mark.shows(operation="fail over", fault="tenant on another kind of host")
async def test_a_tenant_on_one_kind_fails_over_to_a_provider_on_another(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    unused_tcp_port_factory: Callable[[], int],
    here: str,
    kind: str,
) -> None:
    async with AsyncExitStack() as stack:
        tenant = await stack.enter_async_context(opened(request, here))
        provider = await stack.enter_async_context(opened(request, kind))
        both = await stack.enter_async_context(linked(tmp_path, unused_tcp_port_factory(), confirm=200))
        had = tenant.there(), provider.there()
        replica = replica_of(provider)
        use(both.provider, await placed(provider, APPLIANCES[0], replica))
        use(both.tenant, await placed(tenant, APPLIANCES[1], None))
        try:
            await _partial_and_undo(both, tenant, provider, replica)
            await _full_and_undo(both, tenant, provider, replica)
        finally:
            await provider.direct().destroy(APPLIANCES[0])
            await tenant.direct().destroy(APPLIANCES[1])
        assert (tenant.there(), provider.there()) == had
        assert both.faults == []


async def _all(tenant: Kind, provider: Kind, replica: str) -> tuple[bool, bool, bool]:
    """Whether the tenant's appliance, the provider's and the replica are on."""
    return (
        await state(tenant.direct(), APPLIANCES[1]),
        await state(provider.direct(), APPLIANCES[0]),
        await state(provider.direct(), replica),
    )


async def _partial_and_undo(both: Linked, tenant: Kind, provider: Kind, replica: str) -> None:
    """Led by the tenant's controller; the provider's is the other half."""
    assert await _all(tenant, provider, replica) == (False, False, False)
    run = await both.start(FailOver(tenant="acme", vms=ONES))
    assert await both.ended(run, within=200) == "finished", both.tenant.last(run.id)
    assert await _all(tenant, provider, replica) == (True, True, True)
    assert (both.at_provider(), both.at_tenant()) == (ONES, ONES)
    back = await both.start(Undo(tenant="acme", vms=ONES, stop_appliances=True))
    assert await both.ended(back, within=200) == "finished", both.tenant.last(back.id)
    assert (both.at_provider(), both.at_tenant()) == (frozenset(), frozenset())
    on_at_tenant, _, replica_on = await _all(tenant, provider, replica)
    assert (on_at_tenant, replica_on) == (False, False)


async def _full_and_undo(both: Linked, tenant: Kind, provider: Kind, replica: str) -> None:
    """By the provider's controller alone; the tenant's host is not asked."""
    for one, on in ((FailOverSite(tenant="acme", vms=ONES), True), (UndoSite(tenant="acme"), False)):
        run = await both.provider.runs.start(one, host=linked_sites.HOST, actor="otto")
        await both.provider.engine.tasks[run.id]
        assert both.provider.last(run.id)[0] == "finished", both.provider.last(run.id)
        assert await state(provider.direct(), replica) is on
        assert not await state(tenant.direct(), APPLIANCES[1])
