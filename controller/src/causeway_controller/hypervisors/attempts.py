"""What hosts have in common on which a machine is made in attempts, under a login that is kept.

Each attempt makes one under a name of its own, and the first that is whole becomes the machine. What a killed
controller left is finished or removed by the next act.
"""

from __future__ import annotations

import abc
import functools
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, Protocol, TypeVar

from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors import uploads
from causeway_controller.hypervisors.base import FoundVm, HypervisorError, Machine, MachineSpec, Progress

POWER_SECONDS: Final = 150.0
"""For what powers a machine, or removes it."""

Login = TypeVar("Login")
Place = TypeVar("Place")
Asked_co = TypeVar("Asked_co", covariant=True)
There_contra = TypeVar("There_contra", contravariant=True)
Answer = TypeVar("Answer")


class Asking(Protocol[Asked_co]):
    """Asks a host; the `Session` of a kind does."""

    async def ask(
        self, question: Callable[[Asked_co], Answer], *, seconds: float | None = ..., again: bool = ...
    ) -> Answer: ...

    async def close(self) -> None: ...


class Machines(Protocol[There_contra]):
    """Finds and powers VMs in a place; the module `machines` of a kind does."""

    def find(self, place: There_contra, owner_id: str) -> Machine | None: ...

    def ours(self, place: There_contra, owner_id: str) -> object | None: ...

    def vms(self, place: There_contra) -> Iterable[FoundVm]: ...

    def ask_to_stop(self, place: There_contra, owner_id: str) -> None: ...

    def power(self, place: There_contra, owner_id: str, *, on: bool) -> None: ...


class Deployment(Protocol[There_contra]):
    """Has attempts become machines; the module `deployment` of a kind does."""

    def commit(self, place: There_contra, spec: MachineSpec, attempt: str) -> object:
        """Have the attempt be the machine."""

    def settle(self, place: There_contra, owner_id: str) -> None:
        """Finish what a killed controller did not of the machine."""

    def remove_abandoned(self, place: There_contra, owner_id: str, *, all_of_them: bool) -> None:
        """Remove attempts that nobody goes on with."""

    def take_back(self, place: There_contra, owner_id: str, attempt: str) -> None:
        """Delete what is left of an attempt."""


class ByAttempts(abc.ABC, Generic[Login, Place]):
    """The part of `base.Provider` that is the same. What takes a login blocks, and is asked in a thread."""

    def __init__(
        self, host: Host, session: Asking[Login], machines: Machines[Place], deployment: Deployment[Place]
    ) -> None:
        self._host = host
        self._session = session
        self._machines = machines
        self._deployment = deployment

    async def vms(self) -> Sequence[FoundVm]:
        """All VMs that the login sees."""
        return await self._session.ask(lambda login: tuple(self._machines.vms(self._place(login))))

    async def find(self, owner_id: str) -> Machine | None:
        """The machine with this owner id, or the VM with this id of the host's."""
        return await self._session.ask(lambda login: self._machines.find(self._place(login), owner_id))

    async def deploy(self, spec: MachineSpec, progress: Progress) -> Machine:
        """Make the machine in an attempt; it has its own name once it is whole."""
        if (known := await self.find(spec.owner_id)) is not None:
            await self._session.ask(lambda login: self._tidy(login, spec.owner_id))
            return known
        if reasons := await self.preflight(spec):
            raise HypervisorError(f"cannot deploy {spec.name}: {'; '.join(reasons)}")
        attempt = secrets.token_hex(4)
        try:
            await self._make(spec, attempt, progress)
            await self._session.ask(lambda login: self._commit(login, spec, attempt))
        finally:
            # Also of who was second: what he made is not needed.
            await uploads.taken_back(
                lambda: self._session.ask(
                    lambda login: self._deployment.take_back(self._place(login), spec.owner_id, attempt)
                )
            )
        await self._session.ask(lambda login: self._tidy(login, spec.owner_id))
        found = await self.find(spec.owner_id)
        if found is None:
            raise HypervisorError(f"host {self._host.id}: {spec.name} was removed while it was deployed")
        progress("deployed", 1.0)
        return found

    async def power(self, owner_id: str, *, on: bool, grace: float) -> None:
        """Power on or off; asked to shut down first, and cut after `grace` seconds."""
        if not on and grace > 0:
            deadline = time.monotonic() + grace
            await self._session.ask(lambda login: self._machines.ask_to_stop(self._place(login), owner_id))
            if await uploads.stopped(functools.partial(self.find, owner_id), deadline):
                return
        await self._session.ask(
            lambda login: self._machines.power(self._place(login), owner_id, on=on), seconds=POWER_SECONDS
        )

    async def close(self) -> None:
        """Log out: hosts have room for so many logins, and keep idle ones for long."""
        await self._session.close()

    @abc.abstractmethod
    async def preflight(self, spec: MachineSpec) -> Sequence[str]:
        """As `base.Provider`."""

    @abc.abstractmethod
    async def _make(self, spec: MachineSpec, attempt: str, progress: Progress) -> None:
        """The VM of this attempt. Ends when nothing moves any more, and when it is cancelled."""

    @abc.abstractmethod
    def _place(self, login: Login) -> Place:
        """Where machines are. Raises HypervisorError."""

    def _commit(self, login: Login, spec: MachineSpec, attempt: str) -> None:
        place = self._place(login)
        if self._machines.ours(place, spec.owner_id) is None:
            self._deployment.commit(place, spec, attempt)

    def _tidy(self, login: Login, owner_id: str) -> None:
        """Finish what a killed controller did not, and remove others' attempts."""
        place = self._place(login)
        self._deployment.settle(place, owner_id)
        self._deployment.remove_abandoned(place, owner_id, all_of_them=True)
