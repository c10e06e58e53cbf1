"""What failovers and runs rest on, by where they are. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from causeway_controller.inventory.findings import Findings
from causeway_controller.inventory.modes import Full, Idle, Mode, Partial, Rehearsal, permanent
from causeway_wire.problem import ProblemType
from causeway_wire.types import IPAddress, Name, TenantId, VmName

_NAMES: Final = 4
"""Told in a sentence."""
_KINDS: Final = {
    Partial.name: "a partial failover",
    Full.name: "full failover",
    Rehearsal.name: "a rehearsal",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InUse:
    """A place where a failover stands, or a run is under way that may begin or end one."""

    tenant: TenantId
    """Empty of a gateway."""
    host: Name
    """As of a run: a host, a network of production, or a gateway."""
    mode: Mode = Idle()  # noqa: RUF009 - it is frozen and holds nothing
    run: str = ""
    """That is open; empty without one."""
    plan: Name = ""
    """The failover plan that the open run names."""
    published: bool = False
    """A run published rules, which count in place of the plan's."""
    ruled: frozenset[IPAddress] = frozenset()
    """Where those lead."""
    renamed: frozenset[VmName] = frozenset()
    """VMs whose replicas their host has under other ids by now: it was asked."""
    own: bool = False
    """`host` is a network of production: this controller leads its failovers, and so ends them."""

    @property
    def tunnelled(self) -> bool:
        """Whether packets go through a tunnel of it, or may before the run is over."""
        return bool(self.run) or isinstance(self.mode, Partial)

    @property
    def open(self) -> bool:
        """Whether the internet may be let in."""
        return bool(self.run) or isinstance(self.mode, Full | Rehearsal)

    @property
    def settled(self) -> frozenset[VmName]:
        """VMs that live at the provider for good, and need nothing of their own there: no tunnel, no way back
        but a failback, which takes them as they are then.
        """
        return self.mode.permanent if isinstance(self.mode, Full) and not self.run else frozenset()

    @property
    def said(self) -> str:
        """What stands or goes on, in words."""
        where = " ".join(filter(None, (self.tenant and f"tenant {self.tenant} at", self.host)))
        if self.run:
            return f"run {self.run} of {where} is not over"
        vms = sorted(self.mode.vms)
        some = ", ".join(vms[:_NAMES]) + (", ..." if len(vms) > _NAMES else "")
        return f"{where} is in {_KINDS[self.mode.name]} ({some})"

    @property
    def remedy(self) -> str:
        """What to do first, in words."""
        if self.run:
            return f"wait for it, or stop it with `causeway run stop {self.run}`"
        whose = f"{self.tenant} --host {self.host}"
        if isinstance(self.mode, Rehearsal):
            return f"end it first with `causeway rehearsal end {whose}`"
        if isinstance(self.mode, Partial) and not self.own:
            asked = f"causeway failover ask {self.tenant} VM... --host {self.host} --end --reason WHY"
            return f"the tenant's controller leads it, and is asked to end it first with `{asked}`"
        back = f"end it first with `causeway failover failback {whose}`"
        if permanent(self.mode):
            return back
        named = f"{self.tenant} --full" if isinstance(self.mode, Full) else f"{self.tenant} VM..."
        return f"{back} or `causeway failover undo {named} --host {self.host}`"


def refuse(findings: Findings, pointer: str, what: str, uses: Sequence[InUse]) -> None:
    """Note that something may not be done while these stand, of which there is one at least."""
    more = f" (and {len(uses) - 1} more are in use)" if len(uses) > 1 else ""
    detail = f"{what}, and {uses[0].said}{more}: {uses[0].remedy}"
    findings.add(ProblemType.FAILOVER_IN_PROGRESS, pointer, detail)


def unchanged(
    findings: Findings,
    uses: Sequence[InUse],
    was: object,
    now: object,
    *members: str,
    pointer: str,
    what: str,
) -> None:
    """Note each of the members that `now` has otherwise than `was`."""
    for member in members:
        if getattr(was, member) != getattr(now, member):
            refuse(findings, f"{pointer}/{member}", f"{member} of {what} would change", uses)
