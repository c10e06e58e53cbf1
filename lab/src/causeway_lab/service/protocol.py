"""What a lab's daemon and its clients say to each other: JSON lines over HTTP on a Unix socket."""

from __future__ import annotations

import msgspec

from causeway_controller.errors import ControllerError
from causeway_controller.hypervisors.base import HypervisorError
from causeway_lab.assembly.lab import LabError
from causeway_lab.world.console import GuestError
from causeway_lab.world.line.conditions import ConditionError
from causeway_lab.world.line.wording import Wording
from causeway_lab.world.namespaces import WiringError
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.types import TenantId

EXPECTED = (
    *(LabError, ControllerError, ProblemError, HypervisorError),
    *(GuestError, WiringError, ConditionError, TimeoutError),
)
"""Failures that a person can do something about; everything else is a defect."""


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """A service to publish, as a person writes it."""

    vm: str
    """As `tenant/vm`."""
    public_port: int
    public: str | None = None
    """The public address; None for the tenant's first."""
    port: int | None = None
    """The VM's own port; None for the public one."""
    protocol: str = "tcp"
    sources: tuple[str, ...] = ()


class LineOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What the line before a tenant's router is to be like."""

    tenant: TenantId
    wording: Wording = Wording()
    """Applied to what the line is like now, or to a clear one."""
    clear: bool = False
    rebind: bool = False
    """Give every flow another outer port, once."""


class RevocationOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate to be refused, as a person names it."""

    holder: str
    """A value of `inventory.Holder`."""
    of: str | None = None
    """`tenant/network` of a tunnel's end, a gateway's name."""
    serial: str | None = None
    """None for the certificate in use."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Body of every operation; each uses what it needs."""

    vms: tuple[str, ...] = ()
    """As `tenant/vm`; of `undo` with tenants, those that stay in partial failover."""
    tenants: tuple[str, ...] = ()
    """Whole sites: full failover, its undo, rehearsals."""
    originals: bool = True
    """Cut the originals' power before a failover, power them on after an undo."""
    escalate: bool = False
    claim_anyway: tuple[str, ...] = ()
    """As `ADDRESS=MAC`: answers that are stale."""
    on: bool = True
    """Of `power`."""
    internet: bool = False
    publication: Publication | None = None
    rule: str = ""
    """To be withdrawn, as `tenant/rule`."""
    line: LineOrder | None = None
    revocation: RevocationOrder | None = None
    serial: str = ""
    """Of a certificate to be accepted again."""


class StepLine(msgspec.Struct, frozen=True, kw_only=True, tag="step"):
    """A step began, ended or failed; see `steps.Step`."""

    name: str
    seconds: float | None = None
    error: str | None = None


class DoneLine(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """The operation is complete; what was measured, in seconds."""

    measures: tuple[tuple[str, float], ...] = ()


class FailedLine(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """The operation failed; the message says what to do next."""

    message: str


Line = StepLine | DoneLine | FailedLine


class VmStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A VM: where it runs and at which addresses."""

    name: str
    addresses: tuple[str, ...]
    original: bool
    """Whether the production VM runs."""
    replica: bool
    """Whether the replica runs."""
    mode: str
    """The failover that its replica runs in; `idle` when it runs in production."""

    @property
    def failed_over(self) -> bool:
        """Whether it runs at the provider in place of production."""
        return self.mode in {"partial", "full"}


class RuleStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A published service."""

    id: str
    public: str
    internal: str
    vm: str
    sources: tuple[str, ...]


class TenantStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's failover, and what it publishes."""

    name: str
    mode: str
    vms: tuple[str, ...]
    """VMs that run at the provider."""
    public_addresses: tuple[str, ...]
    """Its allocation."""
    owned: tuple[str, ...]
    """Public, in rehearsal test addresses that its provider appliance shows now."""
    rules_in_force: int
    rules: tuple[RuleStatus, ...]


class ApplianceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An appliance as its agent describes it."""

    name: str
    state: str
    role: str
    failover: str
    tunnels: tuple[str, ...]
    problem: str = ""
    """Why it is `degraded`."""


class LineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The line before a tenant's router."""

    tenant: TenantId
    conditions: tuple[str, ...]
    means: str
    """What makes it so."""
    counters: tuple[str, ...]
    """What became of packets so far, by direction."""


class RevocationStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate that is refused."""

    serial: str
    holder: str
    tenant: TenantId | None = None
    tunnel: str | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of `/status`."""

    up: bool
    wrong: tuple[str, ...] = ()
    """What is not as it should be."""
    vms: tuple[VmStatus, ...] = ()
    tenants: tuple[TenantStatus, ...] = ()
    appliances: tuple[ApplianceStatus, ...] = ()
    lines: tuple[LineStatus, ...] = ()
    revoked: tuple[RevocationStatus, ...] = ()


def explain(error: BaseException) -> str:
    """An expected failure in words, with what to do next."""
    if isinstance(error, TimeoutError):
        return "no answer in time; `causeway lab status` shows what is up"
    if isinstance(error, ProblemError):
        problems = error.problem.each
        return "; ".join(problem.detail for problem in problems)
    if address_in_use(error):
        return (
            f"{error}. An original still answers for its address: cut its power first "
            "(`causeway lab failover` does unless told to keep it)"
        )
    return str(error)


def address_in_use(error: BaseException) -> bool:
    """Whether the duplicate-address guard is somewhere among the causes."""
    cause: BaseException | None = error
    while cause is not None:
        change = getattr(cause, "change", None)
        problem = getattr(cause, "problem", None) or getattr(change, "problem", None)
        if getattr(problem, "type", None) == ProblemType.ADDRESS_IN_USE.urn:
            return True
        cause = cause.__cause__
    return False
