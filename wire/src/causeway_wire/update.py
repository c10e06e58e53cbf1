"""Updates of an appliance's system: what is in which slot, and what an update file says of itself.

A disk has two slots. One runs; an update is written into the other and tried. How the file is laid out is in
`update_file`, what happens on the disk in the agent's room `slots`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from causeway_wire.desired import Document
from causeway_wire.observed import Report
from causeway_wire.types import Timestamp, sha256, shaped

FORMAT = 1
"""Of update files; one with a higher number is refused."""

Sha256 = Annotated[str, sha256("SHA-256 in hex")]
Octets = Annotated[int, Meta(ge=1, le=2**40)]
KernelOptions = Annotated[
    str, shaped(r"^[ -~]{0,1024}(?!\n)$", "at most 1024 printable ASCII characters and spaces")
]
Words = Annotated[str, shaped(r"^[ -~]{1,100}(?!\n)$", "1 to 100 printable ASCII characters and spaces")]


class Slot(StrEnum):
    """One of the two places for a system."""

    A = "a"
    B = "b"

    @property
    def other(self) -> Slot:
        """The one that is not this."""
        return Slot.B if self is Slot.A else Slot.A


class SlotState(StrEnum):
    """What a slot is worth."""

    EMPTY = "empty"
    """Nothing in it that could start."""
    READY = "ready"
    """A whole system, checked, that is not started before it is activated."""
    TRYING = "trying"
    """Started next, or running, and not proven good yet: it has tries left."""
    FAILED = "failed"
    """Did not become healthy in any of its tries; not started again by itself."""
    GOOD = "good"
    """Was healthy once."""


class UpdateState(StrEnum):
    """Where an update stands."""

    IDLE = "idle"
    RECEIVING = "receiving"
    READY = "ready"
    """Received and checked; the next thing is to activate it."""
    TRYING = "trying"
    """Activated; proves itself, or the other slot comes back."""
    FAILED = "failed"
    """It did not become healthy; the slot before it runs again."""


class Member(Report, frozen=True, kw_only=True):
    """One part of a system, as it is once unpacked."""

    octets: Octets
    sha256: Sha256


class Members(Report, frozen=True, kw_only=True):
    """The parts of a system."""

    linux: Member
    initrd: Member
    root: Member
    """The root file system."""


class Manifest(Report, frozen=True, kw_only=True):
    """What an update file says of itself; the SHA-256 of its text is the name of the build.

    Read tolerantly: an older agent must be able to install a newer system.
    """

    format: int
    version: Words
    """Of PEP 440."""
    commit: Words
    released: Timestamp | None = None
    """Time of the commit; null in systems built before there was this member."""
    architecture: Words
    """As uname(1) says."""
    options: KernelOptions
    """Of the kernel; which root file system, the slot decides."""
    members: Members


class SlotReport(Report, frozen=True, kw_only=True):
    """One slot."""

    slot: Slot
    state: SlotState
    version: str | None = None
    commit: str | None = None
    released: Timestamp | None = None
    build: str | None = None
    """SHA-256 of the manifest; null when the slot is empty."""
    tries_left: int | None = None
    """While it is `trying` or `failed`."""


class UpdateStatus(Report, frozen=True, kw_only=True):
    """Answer of the update's operations."""

    state: UpdateState
    running: Slot
    next: Slot
    """The slot that starts next."""
    slots: tuple[SlotReport, ...]
    received: int = 0
    """Octets of the update file, while `receiving`."""

    def report(self, slot: Slot) -> SlotReport:
        """The report of this slot."""
        return next(one for one in self.slots if one.slot is slot)


class Activation(Document, frozen=True, kw_only=True):
    """Restart into the other slot, on trial."""

    build: Sha256
    """What is expected to be there, so that nothing else is started."""
    tries: Annotated[int, Meta(ge=1, le=5)] = 3
    """How often it may start without becoming healthy."""
    seconds: Annotated[int, Meta(ge=30, le=3600)] = 300
    """From the kernel's start until it must be healthy, in each try."""
    confirm: bool = True
    """Whether a controller must also have asked it for its slots, over the network: that proves a way in."""
    allow_older: bool | UnsetType = UNSET
    """Whether it may be older than the system that runs; false where it is not said."""


def state_of(running: SlotReport, other: SlotReport) -> UpdateState:
    """Where the update stands, by what is on the disk."""
    if SlotState.TRYING in {running.state, other.state}:
        return UpdateState.TRYING
    match other.state:
        case SlotState.READY:
            return UpdateState.READY
        case SlotState.FAILED:
            return UpdateState.FAILED
        case _:
            return UpdateState.IDLE
