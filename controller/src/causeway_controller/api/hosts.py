"""Handlers that ask a host of VMs and change nothing."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from causeway_controller.api.exchange import Answer, Ask, Handler
from causeway_controller.api.ports import HostService
from causeway_controller.contract import host_routes
from causeway_controller.errors import ControllerError, SecretMissing, StoreError
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Name

Told = TypeVar("Told")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostHandlers:
    """Has who can ask hosts do it."""

    service: HostService

    def handlers(self) -> Mapping[str, Handler]:
        """By the names of their routes."""
        return {
            host_routes.CHECK_HOST.name: self.check,
            host_routes.HOST_VMS.name: self.vms,
            host_routes.LINT.name: self.lint,
        }

    async def check(self, ask: Ask) -> Answer:
        """Look at the host; one that cannot be asked is a finding."""
        return Answer(document=await self.service.check(ask.places["host"]))

    async def lint(self, ask: Ask) -> Answer:  # noqa: ARG002 - handlers are alike
        """Look at the replicas of all hosts."""
        return Answer(document=await self.service.lint())

    async def vms(self, ask: Ask) -> Answer:
        """List its VMs."""
        name = ask.places["host"]
        return Answer(document=await answered(self.service.vms(name), name, staff=ask.caller.tenant is None))


async def answered(asked: Awaitable[Told], host: Name, *, staff: bool) -> Told:
    """Return what a host answered. Raises ProblemError (`unavailable`) where it cannot be, StoreError.

    Where its management is met, as whom, and what came back is told to the provider's `staff` alone.
    """
    try:
        return await asked
    except ControllerError as error:
        if isinstance(error, StoreError) and (staff or not isinstance(error, SecretMissing)):
            raise
        detail = f"{error}; `causeway host check {host}` says what is wrong"
        if not staff:
            _log.warning("host not asked", extra={"host": host, "reason": str(error)})
            detail = f"host {host} cannot be asked; tell the provider's staff, and repeat this then"
        raise ProblemError(problem(ProblemType.UNAVAILABLE, detail)) from error
