"""The provider's half of a partial failover that a tenant's controller leads: orders, and what is told of it.

A half has the name of the tenant's run that leads it. Every order may be repeated, and carries the epoch
under which that run is carried out: who was taken for dead and acts on is refused.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from causeway_controller.contract.runs import RunId
from causeway_wire.desired import Document
from causeway_wire.types import Epoch, Name, VmName

HOLD_SECONDS: Final = 600
"""The longest that a half is held for one order."""


class Word(StrEnum):
    """How a half is to end."""

    KEEP = "keep"
    """The tenant's half is there: let this one stay."""
    TAKE_BACK = "take-back"
    """Nothing at the tenant's site relies on it, or ever will."""


class Open(Document, frozen=True, kw_only=True):
    """What the half is."""

    host: Name
    vms: Annotated[frozenset[VmName], Meta(min_length=1, max_length=1000)]
    end_full: bool = False
    """They run there in full failover: this one ends, for them alone there is a half."""


class End(Document, frozen=True, kw_only=True):
    """What of a half is ended."""

    host: Name
    vms: Annotated[frozenset[VmName], Meta(min_length=1, max_length=1000)]
    fail_back: bool = False
    """Production goes on with what they became: brought up to date by the provider's hook `release`."""
    synchronised: bool = False
    """It is up to date by other means."""


class HalfOrder(Document, frozen=True, kw_only=True):
    """What becomes of a half. Without any wish it only says that older epochs are over."""

    epoch: Epoch
    open: Open | UnsetType = UNSET
    end: End | UnsetType = UNSET
    """In place of `open`: end what is served for these VMs since a run before; it has gone in the end."""
    dry_run: bool = False
    """Of `open` and `end`: only refuse what cannot be. Nothing is kept but the epoch of an `end`, unless it
    is 0: older ones are over.
    """
    hold: Annotated[int, Meta(ge=1, le=HOLD_SECONDS)] | UnsetType = UNSET
    """Seconds from now for which its appliance goes on serving, at least."""
    word: Word | UnsetType = UNSET


class HalfState(StrEnum):
    """How far a half is."""

    PREPARING = "preparing"
    """Not opened, or not serving yet."""
    HELD = "held"
    """It serves, and is taken back unless it is told to keep it."""
    KEPT = "kept"
    """It serves until it is ended."""
    GONE = "gone"
    """It was taken back, as far as its run says that it could be."""


class HalfReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A half as it is now."""

    epoch: Epoch
    """The newest that was heard."""
    state: HalfState
    run: RunId | UnsetType = UNSET
    """The provider's run that carries it out."""
    granted: bool = False
    """Whether the order's `hold` was done."""
    why: str = ""
    """Of one that is gone: what its run ended with."""
    stands: bool = False
    """Of one that is gone: whether something could not be taken back; `why` names it."""
