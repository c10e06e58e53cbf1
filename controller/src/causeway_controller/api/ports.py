"""What the API needs of who carries out runs, and of who knows what is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from causeway_controller.contract.appliances import StoredUpdate, UpdateProgress
from causeway_controller.contract.explain import PathAnswer, Question
from causeway_controller.contract.hosts import HostReport, HostVms, LintReport
from causeway_controller.contract.joining import Invitation
from causeway_controller.contract.requests import Chore, Request
from causeway_controller.contract.runs import PlannedRun
from causeway_controller.contract.status import Trouble
from causeway_controller.contract.tenant import ReplicaVm
from causeway_controller.contract.tenant_view import TenantResources
from causeway_controller.store.invitations import Invitations
from causeway_controller.store.links import Links
from causeway_controller.store.members import Members
from causeway_controller.store.peer_keys import PeerKeys
from causeway_controller.store.runs import Run
from causeway_controller.store.tunnels import Tunnels
from causeway_wire.problem import Problem
from causeway_wire.types import ApplianceId, Name, TenantId, VmName


class RunService(Protocol):
    """Carries out runs."""

    async def start(self, request: Request, *, host: Name, actor: str, identifier: str | None = None) -> Run:
        """Plan, then open the run and begin it. Raises ProblemError with nothing changed, StoreError."""

    async def plan(self, request: Request, *, host: Name) -> PlannedRun:
        """What the request would do; nothing is changed. Raises ProblemError, StoreError."""

    async def check(self, request: Request, *, host: Name) -> PlannedRun:
        """As `plan`, of a dry run: with all that the run would be refused for before it does anything, here
        and at the provider. Raises ProblemError, StoreError.
        """

    async def start_chore(
        self,
        request: Chore,
        *,
        tenant: TenantId | None,
        host: Name | None,
        actor: str,
        identifier: str | None = None,
    ) -> Run:
        """As `start`, of what is no failover; without tenant and host it is about the whole fleet."""

    async def plan_chore(
        self, request: Chore, *, tenant: TenantId | None, host: Name | None
    ) -> tuple[tuple[str, ...], ...]:
        """As `plan`, of what is no failover."""

    async def stop(self, run: str, *, actor: str) -> None:
        """Have the run stop before its next stage. Raises ProblemError, StoreError."""

    async def retry(self, run: str, *, actor: str) -> Run:
        """Begin anew what a run that failed was asked for; the new run. Raises ProblemError, StoreError."""


class ApplianceService(Protocol):
    """Deploys appliances."""

    async def ensure(self, tenant: TenantId, host: Name, *, overrule: bool) -> ApplianceId:
        """Have the tenant's appliance on the host deployed, enrolled and configured; its name.

        `overrule`: also where it serves a failover that nobody here knows of, which ends then.

        Raises ProblemError, ControllerError.
        """

    async def rotate(self, tenant: TenantId, host: Name, *, revoke: bool, actor: str) -> ApplianceId:
        """Have it under a new key and certificate; its name. Raises ProblemError, ControllerError."""


class UpdateService(Protocol):
    """Exchanges the systems of appliances."""

    async def store(self, chunks: AsyncIterator[bytes]) -> StoredUpdate:
        """Keep an update file. Raises ProblemError."""

    async def update(
        self, tenant: TenantId, host: Name, *, build: str, allow_older: bool, interrupt: bool
    ) -> UpdateProgress:
        """Have the appliance run this build; how far that is. Raises ProblemError, StoreError."""


class ExplainService(Protocol):
    """Asks what is on a packet's way."""

    async def explain(self, asked: Question) -> PathAnswer:
        """Return what carries or stops the packet. Raises ProblemError, StoreError."""


class HostService(Protocol):
    """Asks hosts of VMs, and changes nothing there."""

    async def check(self, name: Name) -> HostReport:
        """Return whether the host has what the inventory needs. Raises ProblemError, StoreError."""

    async def vms(self, name: Name) -> HostVms:
        """Return the VMs that the host has. Raises ProblemError, ControllerError."""

    async def lint(self) -> LintReport:
        """Return what is wrong with replicas, on each host that has some, and what fills up.

        Raises StoreError.
        """

    async def renamed(self, name: Name, before: str, vm_id: str, *, tenant: TenantId, vm: VmName) -> None:
        """See that the host has the replica of a VM that is failed over under this id, and not as before.

        Raises ProblemError, ControllerError.
        """

    async def misfits(
        self, name: Name, wanted: Mapping[VmName, ReplicaVm], *, tenant: TenantId, staff: bool
    ) -> Mapping[VmName, Problem]:
        """Return which of the tenant's VMs get replicas on this host that do not fit, and why (`/vm_id`):
        each is there, off, and stands in for no other VM; where none of the provider's `staff` says so, it is
        in no network of the provider's own machines. The host is asked once, however many they are.

        Raises ProblemError, ControllerError.
        """


class ProviderService(Protocol):
    """Joins providers, at a tenant's controller."""

    async def join(self, invitation: Invitation, name: Name, *, actor: str) -> None:
        """Accept an invitation; what came of it is in the store.

        Raises ProblemError, PeerUnreachable: then the same may be asked again; StoreError.
        """

    async def rescan(self, name: Name) -> None:
        """Ask the provider how one stands with it. Raises ProblemError, PeerUnreachable, StoreError."""

    async def resources(self, name: Name) -> TenantResources:
        """All that is one's own at the provider. Raises ProblemError, PeerUnreachable, StoreError."""

    async def leave(self, name: Name, *, actor: str, force: bool) -> None:
        """Tell the provider, and forget it; `force`: also when it cannot be told.

        Raises ProblemError, PeerUnreachable, StoreError.
        """


class Shown(Protocol):
    """What a provider shows its tenants' controllers when they connect."""

    def refresh(self) -> None:
        """Show the key that the store has now, and trust its authorities. Raises StoreError, SealBroken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peering:
    """What a provider knows of its tenants' controllers, and where they find it."""

    invitations: Invitations
    members: Members
    keys: PeerKeys
    shown: Shown
    tunnels: Tunnels
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Whom the API has act."""

    runs: RunService
    appliances: ApplianceService
    updates: UpdateService
    providers: ProviderService
    links: Links
    explaining: ExplainService
    hosts: HostService
    peering: Peering | None
    """None where no tenant's controller is served."""


class Watcher(Protocol):
    """Knows of something that may be wrong."""

    async def troubles(self) -> tuple[Trouble, ...]:
        """What is wrong now. Raises StoreError."""
