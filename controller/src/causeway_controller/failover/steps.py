"""Failover steps as values: what is done, which of the seed's numbered steps it belongs to, what undoes it.

Steps of one stage do not depend on each other and may run at once; a stage begins when the one before it is
complete. Executing them is `causeway_controller.workflow`'s business.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from causeway_wire.types import ApplianceId, TenantId, TunnelId, VmName


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """Power a machine on, or off; nothing happens when it is so already."""

    machine: MachineRef
    on: bool

    def __str__(self) -> str:
        return f"power {'on' if self.on else 'off'} {self.machine.owner_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """Bring an appliance to the document it has while exactly these VMs of the tenant are failed over."""

    appliance: ApplianceId
    tenant: TenantId
    vms: frozenset[VmName]

    def __str__(self) -> str:
        state = f"failed over: {', '.join(sorted(self.vms))}" if self.vms else "idle"
        return f"configure {self.appliance} ({state})"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyTunnel:
    """Wait until both ends of the tunnel report that it is connected."""

    tunnel: TunnelId
    server: ApplianceId
    client: ApplianceId

    def __str__(self) -> str:
        return f"verify tunnel {self.tunnel} between {self.server} and {self.client}"


Action = Power | Apply | VerifyTunnel


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a failover."""

    seed: int
    """Number of the seed's step it carries out (Network Extension Appliances Interaction, 1 to 8)."""
    stage: int
    sentence: str
    action: Action
    compensation: Action | None = None
    """What takes it back when a later step fails; None when there is nothing to take back."""
