"""What can be asked of a failover, as values: one JSON form for the API, a run's input and its history.

What a request means for a tenant as it is now is `planning.plan`'s business; whether it can be meant, too.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from causeway_wire import codec
from causeway_wire.problem import ProblemError
from causeway_wire.public_rules import PublicRule
from causeway_wire.types import ApplianceId, Name, TenantId, VmName
from causeway_wire.update import Sha256


class _Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="request"):
    """A request about one tenant."""

    tenant: TenantId


class FailOver(_Request, tag="fail-over", frozen=True, kw_only=True):
    """Fail these VMs over, besides those that are already: partial site failover."""

    vms: frozenset[VmName]
    end_full: bool = False
    """At a tenant's controller: they run at the provider in full failover, which ends; its other VMs stop."""


class Undo(_Request, tag="undo", frozen=True, kw_only=True):
    """End the partial failover of these VMs."""

    vms: frozenset[VmName]
    stop_appliances: bool = False


class Serve(_Request, tag="serve", frozen=True, kw_only=True):
    """Do the provider's half of a partial failover that the tenant's controller leads, and opened."""

    vms: frozenset[VmName]
    end_full: bool = False
    """They run in full failover, which ends; its other VMs stop."""


class StopServing(_Request, tag="stop-serving", frozen=True, kw_only=True):
    """End the provider's half: the tenant's controller has ended its own."""

    vms: frozenset[VmName]
    fail_back: bool = False
    """Production goes on with what they became."""
    synchronised: bool = False
    """As of `FailBack`."""
    stop_appliances: bool = False


class FailOverSite(_Request, tag="fail-over-site", frozen=True, kw_only=True):
    """Fail the whole site over to these VMs, or without any to those of the plan."""

    vms: frozenset[VmName] = frozenset()
    but: frozenset[VmName] = frozenset()
    """Those of them that are left out; asked for again without it, they are failed over as well."""
    plan: Name | UnsetType = UNSET
    """The failover plan that is followed; without it the tenant's first, where there is one."""
    escalate: bool = False
    """From a partial failover, in one change at the appliance."""


class UndoSite(_Request, tag="undo-site", frozen=True, kw_only=True):
    """End the full failover, or keep some of its VMs at the provider in partial failover."""

    keep_partial: frozenset[VmName] = frozenset()
    stop_appliances: bool = False


class Rehearse(_Request, tag="rehearse", frozen=True, kw_only=True):
    """Start these replicas beside the running production, cut off from it; they stay until it is ended.

    Without any VM, those of the plan.
    """

    vms: frozenset[VmName] = frozenset()
    but: frozenset[VmName] = frozenset()
    """As of `FailOverSite`."""
    plan: Name | UnsetType = UNSET
    """As of `FailOverSite`."""
    internet: bool = False


class EndRehearsal(_Request, tag="end-rehearsal", frozen=True, kw_only=True):
    """End the rehearsal."""

    stop_appliances: bool = False


class MakePermanent(_Request, tag="make-permanent", frozen=True, kw_only=True):
    """Make replicas that run production for good: what brings their VMs back is a failback, no undo."""

    vms: frozenset[VmName] = frozenset()
    """Without any, all that are failed over."""


class FailBack(_Request, tag="fail-back", frozen=True, kw_only=True):
    """Give VMs back to production with what they became at the provider; the others stay.

    Of a full failover the others go on in partial failover: production is there again.
    """

    vms: frozenset[VmName] = frozenset()
    """Without any, all that are failed over."""
    synchronised: bool = False
    """Production is up to date by other means: no hook `release` of the plan is needed for it."""
    stop_appliances: bool = False


class Publish(_Request, tag="publish", frozen=True, kw_only=True):
    """Make these the tenant's public rules, whatever runs."""

    rules: tuple[PublicRule, ...]


Request = (
    FailOver
    | Undo
    | Serve
    | StopServing
    | FailOverSite
    | UndoSite
    | Rehearse
    | EndRehearsal
    | MakePermanent
    | FailBack
    | Publish
)


class Rebuild(_Request, tag="rebuild", frozen=True, kw_only=True):
    """Bring the tenant's appliance on the run's host back that is held to be dead."""

    cause: str
    """Why it is."""
    on: Name | UnsetType = UNSET
    """The host that its machine is on, where a network of production stands in the run's place of a host."""


class RebuildGateway(
    Struct, tag="rebuild-gateway", frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="request"
):
    """Bring the cloud gateway back that is held to be dead."""

    gateway: ApplianceId
    host: Name
    """That its machine is on; in the run's own place stands the gateway."""
    cause: str
    """As of `Rebuild`."""


class Redeploy(_Request, tag="redeploy", frozen=True, kw_only=True):
    """Put another machine in the place of the tenant's appliance on the run's host."""

    keep_certificates: bool = False
    """Do not revoke those by which controllers know the old machine."""


class RedeployGateway(
    Struct, tag="redeploy-gateway", frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="request"
):
    """Put another machine in the cloud gateway's place."""

    gateway: ApplianceId
    """Which stands in the run's own place as well."""
    keep_certificates: bool = False
    """As of `Redeploy`."""


class Retire(_Request, tag="retire", frozen=True, kw_only=True):
    """Have the tenant's appliance on the run's host away, and nothing left of it."""

    gone: bool = False
    """Its host or machine is no more: nobody asks them."""


class RetireGateway(
    Struct, tag="retire-gateway", frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="request"
):
    """Have the cloud gateway away, and nothing left of it."""

    gateway: ApplianceId
    """Which stands in the run's own place as well."""
    gone: bool = False
    """As of `Retire`."""


class UpdateFleet(
    Struct, tag="update-fleet", frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="request"
):
    """Have every deployed appliance run one build, one appliance after the other."""

    build: Sha256
    """SHA-256 of the update's manifest, in hex."""
    allow_older: bool = False
    """Also over a system that is newer."""
    interrupt: bool = False
    """Also appliances that serve a failover."""


class AskTenant(_Request, tag="ask-tenant", frozen=True, kw_only=True):
    """Ask the tenant's controller for a partial failover, or for the end of one; it may refuse."""

    host: Name
    """That the replicas are on; the run itself is of no host, so that the halves have their own there."""
    vms: Annotated[frozenset[VmName], Meta(min_length=1, max_length=1000)]
    reason: Annotated[str, Meta(min_length=1, max_length=200)]
    """Which the tenant's staff is told."""
    end: bool = False


Chore = (
    Rebuild | RebuildGateway | Redeploy | RedeployGateway | Retire | RetireGateway | UpdateFleet | AskTenant
)
"""What is done to appliances in a run, and is no failover."""


def plan(request: Request) -> Name:
    """Return the failover plan that the request names; empty where it names none."""
    named = request.plan if isinstance(request, FailOverSite | Rehearse) else UNSET
    return "" if named is UNSET else named


def read(data: bytes) -> Request:
    """Return the request that this JSON text is; raises ProblemError (`malformed` or `invalid`)."""
    found: Request = codec.decode(data, Request)  # type: ignore[arg-type] # msgspec takes a union, type[T] none
    return found


def read_chore(data: bytes) -> Chore:
    """Return the chore that this JSON text is; raises as `read`."""
    found: Chore = codec.decode(data, Chore)  # type: ignore[arg-type] # as in `read`
    return found


def chore(data: bytes) -> Chore | None:
    """Return the chore that this JSON text is; None where it is anything else."""
    try:
        return read_chore(data)
    except ProblemError:
        return None
