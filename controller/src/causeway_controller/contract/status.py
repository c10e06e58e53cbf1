"""How the controller is, who asks it, and what is wrong now."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from causeway_controller.contract.access import Permission, Role
from causeway_wire.types import TenantId

Counted = Annotated[int, Meta(ge=0)]


class Caller(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who asks, as the controller knows them."""

    name: str
    role: Role
    tenant: TenantId | UnsetType = UNSET
    permissions: tuple[Permission, ...] = ()


class About(Struct, frozen=True, kw_only=True):
    """The controller's version, the limits of its API, and the caller."""

    version: str
    caller: Caller
    body_bytes: int
    """The most octets of a request's body."""
    page: int
    """The most entries of one answer."""


class Trouble(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that is wrong now, and what to do about it."""

    subject: str
    """What it is about, such as `acme on esx1`."""
    detail: str
    since: datetime | UnsetType = UNSET


class Status(Struct, frozen=True, kw_only=True):
    """What is wrong now, then how much there is of what the caller may see."""

    summary: str
    """One line."""
    troubles: tuple[Trouble, ...]
    notices: tuple[Trouble, ...] = ()
    """What is not wrong and worth knowing: needed appliances and gateways that nothing uses yet."""
    revision: Counted
    """Of the inventory; 0 before the first."""
    tenants: Counted
    appliances: Counted
    """Provider appliances that the inventory needs."""
    deployed: Counted
    open_runs: Counted


class Health(Struct, frozen=True, kw_only=True):
    """Whether the controller can work."""

    ready: bool
