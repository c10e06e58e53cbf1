"""What can be asked of a failover, as values: one JSON form for the API, a run's input and its history.

What a request means for a tenant as it is now is `planning.plan`'s business; whether it can be meant, too.
"""

from __future__ import annotations

from msgspec import Struct

from causeway_wire import codec
from causeway_wire.public_rules import PublicRule
from causeway_wire.types import TenantId, VmName


class _Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="request"):
    """A request about one tenant."""

    tenant: TenantId


class FailOver(_Request, tag="fail-over", frozen=True, kw_only=True):
    """Fail these VMs over, besides those that are already: partial site failover."""

    vms: frozenset[VmName]


class Undo(_Request, tag="undo", frozen=True, kw_only=True):
    """End the partial failover of these VMs."""

    vms: frozenset[VmName]
    stop_appliances: bool = False


class FailOverSite(_Request, tag="fail-over-site", frozen=True, kw_only=True):
    """Fail the whole site over to these VMs."""

    vms: frozenset[VmName]
    escalate: bool = False
    """From a partial failover, in one change at the appliance."""


class UndoSite(_Request, tag="undo-site", frozen=True, kw_only=True):
    """End the full failover, or keep some of its VMs at the provider in partial failover."""

    keep_partial: frozenset[VmName] = frozenset()
    stop_appliances: bool = False


class Rehearse(_Request, tag="rehearse", frozen=True, kw_only=True):
    """Start these replicas beside the running production, cut off from it; they stay until it is ended."""

    vms: frozenset[VmName]
    internet: bool = False


class EndRehearsal(_Request, tag="end-rehearsal", frozen=True, kw_only=True):
    """End the rehearsal."""

    stop_appliances: bool = False


class Publish(_Request, tag="publish", frozen=True, kw_only=True):
    """Make these the tenant's public rules, whatever runs."""

    rules: tuple[PublicRule, ...]


Request = FailOver | Undo | FailOverSite | UndoSite | Rehearse | EndRehearsal | Publish


def read(data: bytes) -> Request:
    """Return the request that this JSON text is; raises ProblemError (`malformed` or `invalid`)."""
    found: Request = codec.decode(data, Request)  # type: ignore[arg-type] # msgspec takes a union, type[T] none
    return found
