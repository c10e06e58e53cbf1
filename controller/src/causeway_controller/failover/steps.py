"""Failover steps as values: what is done, which of the seed's numbered steps it belongs to, what undoes it.

Steps of one stage do not depend on each other and may run at once; a stage begins when the one before it is
complete. Executing them is `causeway_controller.workflows.failover`'s business.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace

from causeway_controller.contract.tenant import ReadyBy
from causeway_controller.inventory.modes import Mode
from causeway_controller.inventory.tenancy import Network, Tenant
from causeway_wire.public_rules import PublicRule
from causeway_wire.types import ApplianceId, IPAddress, Name, TenantId, TunnelId, VmName


class MachineKind(enum.Enum):
    """Whose hypervisor and whose VM it is."""

    PROVIDER_APPLIANCE = "provider-appliance"
    TENANT_APPLIANCE = "tenant-appliance"
    REPLICA = "replica"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRef:
    """A VM that a step powers on or off."""

    kind: MachineKind
    tenant: TenantId
    name: str
    """Appliance id or VM name."""

    @property
    def owner_id(self) -> str:
        """Its identity at the hypervisor: an appliance's own id, or `tenant/vm` for a replica."""
        return f"{self.tenant}/{self.name}" if self.kind is MachineKind.REPLICA else self.name

    @property
    def appliance(self) -> ApplianceId | None:
        """Its appliance id, None for a replica."""
        return None if self.kind is MachineKind.REPLICA else self.name


def provider_machine(tenant: Tenant) -> MachineRef:
    """The provider's appliance."""
    return MachineRef(kind=MachineKind.PROVIDER_APPLIANCE, tenant=tenant.id, name=tenant.provider.id)


def appliance_machine(tenant: Tenant, network: Network) -> MachineRef:
    """The tenant's appliance of this network."""
    name = tenant.appliances[network.id].id
    return MachineRef(kind=MachineKind.TENANT_APPLIANCE, tenant=tenant.id, name=name)


def replica_machine(tenant: Tenant, vm: VmName) -> MachineRef:
    """A VM's replica."""
    return MachineRef(kind=MachineKind.REPLICA, tenant=tenant.id, name=vm)


def switched(vm: VmName, *, on: bool) -> str:
    """Return the sentence of each step that powers the VM's replica on or off: runs find it again by that."""
    return f"Power {'on' if on else 'off'} the replica of {vm}"


def switches(sentence: str) -> bool:
    """Return whether it is one of `switched`."""
    return sentence.startswith((switched("", on=True), switched("", on=False)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """Power a machine on, or off; nothing happens when it is so already."""

    machine: MachineRef
    on: bool

    def __str__(self) -> str:
        return f"power {'on' if self.on else 'off'} {self.machine.owner_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """Bring an appliance to the document it has while the tenant is in this mode."""

    appliance: ApplianceId
    tenant: TenantId
    mode: Mode
    escalate: bool = False
    """Go from one type of failover to another in one change; an agent refuses that unless it is asked for."""
    confirmed: bool = False
    """The agent takes it back by itself unless a `Confirm` follows in time."""
    within: ApplianceId | None = None
    """An appliance whose own change, applied before, must be taken back later than this one: else this
    appliance could go on answering for what nobody serves.
    """
    holds: bool = False
    """Others are applied `within` it: its own deadline is a long one from the start."""

    def __str__(self) -> str:
        vms = f": {', '.join(sorted(self.mode.vms))}" if self.mode.vms else ""
        return f"configure {self.appliance} ({self.mode.name}{vms})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm:
    """Keep what was applied, said over a new connection; nothing happens when nothing awaits it."""

    appliance: ApplianceId

    def __str__(self) -> str:
        return f"confirm {self.appliance}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PutRules:
    """Make these the public rules of a provider appliance; inert while it owns none of their addresses."""

    appliance: ApplianceId
    rules: tuple[PublicRule, ...]

    def __str__(self) -> str:
        return f"public rules of {self.appliance} ({len(self.rules)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class EditRules:
    """Put these public rules besides the others, or remove those of these names."""

    appliance: ApplianceId
    put: tuple[PublicRule, ...] = ()
    remove: tuple[Name, ...] = ()

    def __str__(self) -> str:
        verb = "put" if self.put else "remove"
        return f"{verb} {', '.join((*(rule.id for rule in self.put), *self.remove))} at {self.appliance}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyTunnel:
    """Wait until the ends of the tunnel report that it is connected."""

    tunnel: TunnelId
    server: ApplianceId | None
    """None: another controller asks it."""
    client: ApplianceId | None
    """As `server`."""

    @property
    def ends(self) -> tuple[ApplianceId, ...]:
        """Those that are asked."""
        return tuple(one for one in (self.server, self.client) if one is not None)

    def __str__(self) -> str:
        return f"verify tunnel {self.tunnel} at {' and '.join(self.ends)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitTenant:
    """Hold what an appliance was given until the tenant's controller says that its own half is there."""

    appliance: ApplianceId

    def __str__(self) -> str:
        return f"hold {self.appliance} for the tenant's controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class LetGo:
    """Wait until nothing at the tenant's site relies on what an appliance was given any more."""

    appliance: ApplianceId

    def __str__(self) -> str:
        return f"wait until the tenant's site relies on {self.appliance} no more"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHalf:
    """Have the provider's controller do its half for these VMs, and hold it until it is confirmed."""

    half: ApplianceId
    host: Name
    vms: frozenset[VmName]
    end_full: bool = False
    """They run there in full failover, which ends."""

    def __str__(self) -> str:
        return f"open the provider's half on {self.host} ({', '.join(sorted(self.vms))})"


class Ending(enum.Enum):
    """What becomes of the VMs of a half that is ended."""

    UNDO = "undo"
    """What their replicas wrote is lost."""
    FAIL_BACK = "fail-back"
    """The provider's hook brings production up to date."""
    SYNCHRONISED = "synchronised"
    """It is up to date by other means."""
    STAYS = "stays"
    """They were in full failover: the provider goes on serving them, once that was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskHalf:
    """Ask the provider's controller whether it could end its half for these VMs; nothing is changed."""

    half: ApplianceId
    host: Name
    vms: frozenset[VmName]
    ending: Ending

    def __str__(self) -> str:
        return f"ask for the end of the provider's half on {self.host} ({', '.join(sorted(self.vms))})"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseHalf:
    """Have the provider's controller end its half for these VMs; nothing happens when it serves none."""

    half: ApplianceId
    host: Name
    vms: frozenset[VmName]
    opened: bool
    """It is the half that this run opened; otherwise one of a run before."""
    ending: Ending = Ending.UNDO

    def __str__(self) -> str:
        return f"end the provider's half on {self.host} ({', '.join(sorted(self.vms))})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Keep now, not at the end of the run, that the tenant is in this mode: others rely on it, and the run
    takes nothing back any more. What is left of it goes on whatever fails, but not when it is to stop.
    """

    mode: Mode

    def __str__(self) -> str:
        return f"keep that it is in mode {self.mode.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyMode:
    """Wait until an appliance reports this mode, these addresses on its adapters, and none of the others."""

    appliance: ApplianceId
    mode: Mode
    addresses: tuple[IPAddress, ...] = ()
    released: tuple[IPAddress, ...] = ()

    def __str__(self) -> str:
        return f"verify that {self.appliance} is in mode {self.mode.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Wait, as the failover plan says."""

    seconds: float

    def __str__(self) -> str:
        return f"wait {self.seconds:g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Wait until a replica is ready: its time-to-ready, counted from power on."""

    machine: MachineRef
    by: ReadyBy | None = None
    """What shows it; None: its guest where somebody can tell of it, else its power."""
    timeout: float | None = None
    """Seconds; None: as the executor's timing says."""

    @property
    def tenant(self) -> TenantId:
        """Whose replica it is."""
        return self.machine.tenant

    @property
    def vm(self) -> VmName:
        """The VM that it stands in for."""
        return self.machine.name

    def __str__(self) -> str:
        return f"wait until the replica of {self.tenant}/{self.vm} answers"


class HookMoment(enum.StrEnum):
    """When a hook of the plan is called."""

    BEFORE = "before"
    HOLD = "hold"
    AFTER = "after"
    RELEASE = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Call a hook of the provider's; the same call of the same run has the same key, however often."""

    hook: Name
    moment: HookMoment
    request: str
    """The kind of request that the run carries out, as its JSON has it."""
    tenant: TenantId
    vms: tuple[VmName, ...]
    timeout: float
    """Seconds."""

    def __str__(self) -> str:
        return f"call hook {self.hook} ({self.moment.value})"


Action = (
    Power
    | Apply
    | Confirm
    | PutRules
    | EditRules
    | VerifyTunnel
    | VerifyMode
    | Pause
    | Ready
    | Call
    | AwaitTenant
    | LetGo
    | OpenHalf
    | AskHalf
    | CloseHalf
    | Settle
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a failover."""

    sentence: str
    action: Action
    _: KW_ONLY
    seed: int | None = None
    """Number of the seed's step it carries out (Network Extension Appliances Interaction, 1 to 8); None where
    the seed numbers none.
    """
    stage: int = 0
    """Steps of one number may run at once; `numbered` gives it."""
    compensation: Action | None = None
    """What takes it back when a later step fails; None when there is nothing to take back."""
    required: bool = True
    """Whether its failure stops the failover; otherwise it is reported and the rest goes on."""
    needs: tuple[str, ...] = ()
    """Steps by their sentences, before it or of its own stage: it begins when they have ended, and not at all
    when one of them failed.
    """
    follows: tuple[str, ...] = ()
    """Steps of its own stage: it begins when they have ended, however."""


def appliances(steps: Iterable[Step]) -> tuple[ApplianceId, ...]:
    """Return every appliance that the steps act on, in the order in which they first do."""
    found = (one for step in steps for one in _appliances(step.action))
    return tuple(dict.fromkeys(found))


def _appliances(action: Action) -> tuple[ApplianceId, ...]:
    match action:
        case Apply() | Confirm() | PutRules() | EditRules() | VerifyMode() | AwaitTenant() | LetGo():
            return (action.appliance,)
        case VerifyTunnel():
            return action.ends
        case OpenHalf() | AskHalf() | CloseHalf():
            return (action.half,)
        case Power(machine=machine) if machine.appliance is not None:
            return (machine.appliance,)
        case Power() | Pause() | Ready() | Call() | Settle():
            return ()


Stage = Sequence[Step]
"""Steps that may run at once; their numbers are not given yet."""


def numbered(stages: Iterable[Stage]) -> tuple[Step, ...]:
    """Return the steps of all stages with their stage's number, from 1; an empty stage has none."""
    filled = [stage for stage in stages if stage]
    return tuple(replace(step, stage=number) for number, stage in enumerate(filled, 1) for step in stage)


def confirmations(first: ApplianceId, *others: ApplianceId) -> Iterator[Stage]:
    """Return the stages that confirm changes: of the appliance that serves, then of those that rely on it."""
    for stage in ((first,), others):
        yield tuple(Step(f"Confirm {one} over a new connection", Confirm(appliance=one)) for one in stage)
