"""What runs need of the world around them, as Protocols; the rooms that have it need not know of them."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final, Protocol

from causeway_controller.failover.steps import Call, Ending, MachineRef
from causeway_controller.hypervisors.base import PowerControl
from causeway_controller.inventory.tenancy import Site
from causeway_controller.store.half import Half as Told
from causeway_wire.change import Change, Fence
from causeway_wire.desired import Desired
from causeway_wire.observed import Health, Observed
from causeway_wire.public_rules import PublicRules, PublicRulesPatch, PublicRulesReport
from causeway_wire.types import ApplianceId, ChangeId, Epoch, Name, TenantId, VmName


class RuleTable(Protocol):
    """An appliance's table of public rules."""

    async def get_rules(self) -> PublicRules: ...

    async def patch_rules(self, patch: PublicRulesPatch) -> PublicRulesReport: ...


class Agent(RuleTable, Protocol):
    """What a workflow needs of an agent; `fleet.client.AgentClient` has it."""

    async def apply(
        self,
        document: Desired,
        *,
        timeout: float,  # noqa: ASYNC109 - names the outcome
        confirm: int | None = None,
        escalate: bool = False,
    ) -> Change: ...

    async def change(self, identifier: ChangeId, *, wait: int | None = None) -> Change: ...

    async def confirm(self, identifier: ChangeId, *, epoch: Epoch) -> Change: ...

    async def cancel(self, identifier: ChangeId, *, epoch: Epoch) -> Change: ...

    async def extend(self, identifier: ChangeId, *, seconds: int, epoch: Epoch) -> Change: ...

    async def fence(self, epoch: Epoch) -> Fence: ...

    async def observed(self) -> Observed: ...

    async def live(self) -> Health: ...


class Questioned(Protocol):
    """Whoever can be asked and is not told anything: an appliance's agent, or the other half's controller."""

    async def live(self) -> object: ...

    async def observed(self) -> Observed: ...


class Half(Questioned, Protocol):
    """The provider's half of one run of a tenant's, at the provider's controller; `peers.half` has it.

    To runs it is what an appliance is: it is fenced, opened, held on, confirmed and ended. Every call raises
    ProblemError (`stale-epoch` for a controller that is over) or PeerUnreachable.
    """

    async def open(self, host: Name, vms: frozenset[VmName], *, end_full: bool, epoch: Epoch) -> ChangeId:
        """Have it serve these VMs on the host, held; what confirms it. `end_full`: out of a full failover.

        Raises HalfGone when it could not.
        """

    async def may_open(self, host: Name, vms: frozenset[VmName], *, end_full: bool) -> None:
        """Ask once whether it could be opened. Raises ProblemError when not: with `retry_after` when not yet,
        `malformed` when its controller is too old to be asked.
        """

    async def check(self, host: Name, vms: frozenset[VmName], *, ending: Ending, epoch: Epoch) -> None:
        """Ask whether it could be ended so; of epoch 0 once, and nothing is kept there.

        Raises ProblemError when not, HalfStands when nothing is there that could be given back.
        """

    async def close(
        self, host: Name, vms: frozenset[VmName], *, opened: bool, ending: Ending, epoch: Epoch
    ) -> bool:
        """Have it gone, and say whether anything was there. Raises HalfStands when it could not be."""

    async def confirm(self, identifier: ChangeId, *, epoch: Epoch) -> object:
        """Have it kept. Raises ProblemError (`not-awaiting`) when it is gone."""

    async def extend(self, identifier: ChangeId, *, seconds: int, epoch: Epoch) -> object:
        """Have it held for so long from now. Raises HalfGone."""

    async def fence(self, epoch: Epoch) -> object:
        """Have it obey no older epoch any more."""


DRY_RUN: Final = "dry-run"
"""The name of the half that is only asked about; of no run."""
Halves = Callable[[ApplianceId, str], Half | None]
"""Gives the provider's half of a run by the half's name; None for what is an appliance."""


class Words(Protocol):
    """What tenants' controllers said of the halves that this provider does for them; `store.halves`."""

    def of_run(self, run: str) -> Told | None:
        """What was said of the half that this run carries out; None when nobody opened it."""

    def open(self) -> Mapping[str, Told]:
        """The same of all halves that open runs carry out, by their runs."""

    def hold(self, run: str) -> None:
        """Keep that something may rely on it from now on."""

    def give(self, run: str, asked: int) -> None:
        """Keep that so many orders to hold on are done."""

    def overtake(self, run: str) -> bool:
        """Keep that a full failover takes its place; False when it is to be kept or taken back already."""


Unenrolled = Callable[[ApplianceId], Awaitable[str]]
"""Gives the words of the command that enrols an appliance which was deployed and has not enrolled since;
empty where it has.
"""
Agents = Callable[[ApplianceId], Agent]
"""Gives open clients; kept open between runs they save the TLS handshake."""
Hypervisors = Callable[[MachineRef], PowerControl]
"""Gives the hypervisor that a machine is on."""
Answers = Callable[[TenantId, VmName], Awaitable[bool | None]]
"""Asks whether a replica's guest answers, None where nobody can tell; this comes within a second or so."""


class Hooks(Protocol):
    """The provider's hooks, by the names that failover plans call them."""

    def known(self, hook: Name) -> bool:
        """Whether the controller's settings name it."""

    async def call(self, call: Call, run: str) -> None:
        """Call it for the run of this id, at most as long as its timeout. Raises HookFailed."""


class Tenancies(Protocol):
    """The inventory, as one tenant on one host."""

    async def load(self, tenant: TenantId, host: Name, plan: Name = "") -> Site:
        """Return the site with this tenant on this host and the mode that its last run left.

        It follows the failover plan of this name, else the one that the mode was reached by, else the
        tenant's first. Raises ProblemError (`not-found`) when the tenant has nothing there, or no such plan.
        """

    async def changed(self, tenant: TenantId, host: Name, site: Site) -> None:
        """Hear that a run ended and left this: it is stored already. What is raised is only logged."""


class Journal(Protocol):
    """What a run has done so far, remembered beyond the process that did it."""

    async def stage(self, name: str, act: Callable[[], Awaitable[str]]) -> str:
        """Return what `act` returns, and once that is remembered return it again without acting.

        A run asks for its stages in the same order whenever it is carried on. Between the end of `act` and
        the memory of it a process may die: then it acts once more.
        """

    async def stop_requested(self) -> bool:
        """Whether somebody asked that the run go no further."""


Body = Callable[[str], Awaitable[None]]
"""Carries a run out, given its id, from wherever it is."""


class EngineState(enum.Enum):
    """How far a run is, as far as its engine knows."""

    GOES_ON = "goes-on"
    GIVEN_UP = "given-up"
    """Tried too often, or cancelled by hand; `resume` has it tried again."""
    ENDED = "ended"


class Engine(Protocol):
    """Carries runs out, and on, whichever controller dies."""

    async def submit(self, run: str, *, key: str) -> None:
        """Have the run carried out by some controller, one run of a key at a time; again changes nothing."""

    async def resume(self, run: str) -> None:
        """Have a run that was given up carried on after all."""

    async def adopt(self, alive: frozenset[Name]) -> int:
        """Have what other controllers than these hold carried on, and say how many runs that is."""

    async def forget(self, before: datetime, *, but: frozenset[str]) -> int:
        """Remove what is remembered of some of the runs that ended before, other than these; say how many."""

    async def states(self, runs: tuple[str, ...]) -> dict[str, EngineState]:
        """Return how far those of these are that are known."""
