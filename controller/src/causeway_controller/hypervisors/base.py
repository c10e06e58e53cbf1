"""What the controller needs from a hypervisor: half a dozen idempotent verbs keyed by our owner id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from causeway_controller.contract.hosts import Finding, VmNic
from causeway_controller.errors import ControllerError
from causeway_controller.inventory.host_needs import HostNeeds
from causeway_wire.types import MacAddress

Progress = Callable[[str, float], None]
"""Called with a phrase and a fraction from 0 to 1 during long work."""


def unwatched(_phrase: str, _fraction: float) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NicSpec:
    """An adapter to attach: a fixed MAC on a segment (port group, virtual switch and VLAN, bridge)."""

    mac: MacAddress
    segment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpec:
    """An appliance VM to deploy, powered off."""

    owner_id: str
    """Our identity for it, stored with the VM; names may change, this does not."""
    name: str
    nics: tuple[NicSpec, ...]
    seed: bytes
    """First-boot envelope. Holds no private key. Empty: the machine waits for one."""
    in_place: bool = False
    """It is made when the machine of its owner id is gone: what that one takes is free then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A VM that a provider knows."""

    owner_id: str
    name: str
    powered_on: bool
    guest_answers: bool | None = None
    """As its guest tools say; None where they say nothing, or the hypervisor does not ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundVm:
    """A VM that a host has, whosever it is."""

    id: str
    """What `find` and `power` know it by."""
    name: str
    powered_on: bool
    nics: tuple[VmNic, ...] = ()
    owner_id: str | None = None
    """Of our own machines."""
    other_ids: tuple[str, ...] = ()
    """What else `find` and `power` know it by."""
    addresses: tuple[str, ...] = ()
    """That its guest says it has, while it runs; none where nobody tells."""
    seen: tuple[str, ...] = ()
    """Without those: addresses under which its host has seen it, which are not all, and may be old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a host was found to be like. `clock` is its time, where it tells that."""

    findings: tuple[Finding, ...] = ()
    clock: datetime | None = None


class Cause(StrEnum):
    """Why a hypervisor did not do as it was asked, as far as that is known: each has another remedy."""

    UNREACHED = "unreached"
    """Nobody answers there, or the connection was lost."""
    SLOW = "slow"
    IDENTITY = "identity"
    """Somebody else answers there than who is known."""
    LOGIN = "login"
    RIGHTS = "rights"
    """The login is good, and may not do it."""
    REFUSED = "refused"
    """It answered, and said why not."""
    UNKNOWN = "unknown"


class HypervisorError(ControllerError):
    """The hypervisor refused; the message says what was attempted and what came back."""

    def __init__(self, message: str, *, cause: Cause = Cause.UNKNOWN, advice: str = "") -> None:
        """`advice`: the next step, where it is another than what helps against the cause on every kind."""
        super().__init__(message)
        self.cause = cause
        self.advice = advice


class PowerControl(Protocol):
    """Whoever can say of machines whether they run, and start and stop them. Every verb may be repeated."""

    async def find(self, owner_id: str) -> Machine | None:
        """Return the machine with this owner id."""

    async def power(self, owner_id: str, *, on: bool, grace: float) -> None:
        """Power on, or off after at most `grace` seconds of orderly shutdown."""


class Provider(PowerControl, Protocol):
    """One hypervisor host or cluster, where appliances are deployed. Every verb may be repeated."""

    async def segment(self, switch: str, vlan: int) -> str:
        """Return the segment of this VLAN on this virtual switch, made when there was none."""

    async def preflight(self, spec: MachineSpec) -> Sequence[str]:
        """Return reasons why this machine cannot be deployed here; empty when it can."""

    async def deploy(self, spec: MachineSpec, progress: Progress) -> Machine:
        """Create the machine, powered off; an existing one of this owner id is returned as it is."""

    async def destroy(self, owner_id: str) -> None:
        """Power off and remove; nothing to do when there is none."""


@runtime_checkable
class LoggedIn(Protocol):
    """A `Provider` that the host keeps a login for, until that is ended or has been idle for long."""

    async def close(self) -> None:
        """Log out, if the host still listens; the next question logs in anew. Raises nothing."""


async def log_out(provider: Provider) -> None:
    """End its login, where the host keeps one. Raises nothing."""
    if isinstance(provider, LoggedIn):
        await provider.close()


@runtime_checkable
class Imaged(Protocol):
    """A `Provider` whose machines are made of an image, which is a file at the controller."""

    async def image(self) -> Path:
        """Return the file. Raises HypervisorError where it is none that machines of this kind are made of.

        The host is not asked.
        """


@runtime_checkable
class Sweeping(Protocol):
    """A `Provider` that can say what of a machine is still there: disks, files, segments made for it."""

    async def sweep(self, owner_id: str, segments: Sequence[str]) -> Sequence[str]:
        """Remove the machine and these segments where they are ours and nobody is plugged in.

        Returns what is still there, in words. May be repeated. Raises HypervisorError.
        """


@runtime_checkable
class Trunking(Protocol):
    """A `Provider` whose machines may have several VLANs on one adapter. Not every hypervisor's is one."""

    async def trunk(self, switch: str, vlans: Sequence[int]) -> str:
        """Return the segment that passes these VLANs of the switch tagged (IEEE 802.1Q), and no other.

        Made when there was none. Raises HypervisorError when this host cannot.
        """


@runtime_checkable
class Inspecting(Protocol):
    """A host that can be looked at. Nothing of this changes anything there."""

    async def inspect(self, needs: HostNeeds) -> Inspection:
        """Compare the host with what is needed of it. Raises HypervisorError where it cannot be asked."""

    async def vms(self) -> Sequence[FoundVm]:
        """Return all VMs of the host that this login sees. Raises HypervisorError."""
