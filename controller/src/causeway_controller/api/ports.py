"""What the API needs of who carries out runs, and of who knows what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from causeway_controller.contract.requests import Request
from causeway_controller.contract.status import Trouble
from causeway_controller.store.runs import Run
from causeway_wire.types import ApplianceId, Name, TenantId


class RunService(Protocol):
    """Carries out runs."""

    async def start(self, request: Request, *, host: Name, actor: str, identifier: str | None = None) -> Run:
        """Plan, then open the run and begin it. Raises ProblemError with nothing changed, StoreError."""

    async def plan(self, request: Request, *, host: Name) -> tuple[tuple[str, ...], ...]:
        """The sentences of each stage; nothing is changed. Raises ProblemError, StoreError."""

    async def stop(self, run: str, *, actor: str) -> None:
        """Have the run stop before its next stage. Raises ProblemError, StoreError."""

    async def retry(self, run: str, *, actor: str) -> Run:
        """Begin anew what a run that failed was asked for; the new run. Raises ProblemError, StoreError."""


class ApplianceService(Protocol):
    """Deploys appliances."""

    async def ensure(self, tenant: TenantId, host: Name) -> ApplianceId:
        """Have the tenant's appliance on the host deployed, enrolled and configured; its name.

        Raises ProblemError, ControllerError.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Whom the API has act."""

    runs: RunService
    appliances: ApplianceService


class Watcher(Protocol):
    """Knows of something that may be wrong."""

    async def troubles(self) -> tuple[Trouble, ...]:
        """What is wrong now. Raises StoreError."""
