"""Replicas: which VM at the provider stands in for one of production, and how old what is on its disks is."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from causeway_controller.contract.provider import ForeignId
from causeway_wire.desired import Document, PerVm
from causeway_wire.types import IPAddress, Name, NetworkId, Timestamp, VmName

MOST: Final = 10_000
"""Replicas in one request."""


class RegisterReplica(Document, frozen=True, kw_only=True):
    """What stands in for a VM, said by who replicates it."""

    host: Name
    """Of the inventory's hosts."""
    vm_id: ForeignId
    """As `causeway host vms` shows it."""
    restored_to: Timestamp | UnsetType = UNSET
    """The moment of production that the replica would start with: its last restore point, at most five
    minutes ahead of the controller's clock. Left out, one that was told before is forgotten.
    """
    addresses: PerVm = ()
    """The VM's in production, as far as who replicates knows them. They change nothing: where the inventory
    has others, that is told.
    """


class ListedReplica(RegisterReplica, frozen=True, kw_only=True):
    """What stands in for one VM of several."""

    vm: VmName


class RegisterReplicas(Document, frozen=True, kw_only=True):
    """What stands in for several VMs of a tenant. The replicas of all others stay as they are."""

    replicas: Annotated[tuple[ListedReplica, ...], Meta(min_length=1, max_length=MOST)]


class ReplicaReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A replica, as the inventory has it and as was told of it last."""

    vm: VmName
    network: NetworkId
    addresses: tuple[IPAddress, ...]
    host: Name
    vm_id: str
    restored_to: Timestamp | UnsetType = UNSET
    """Nothing while nobody told of it, or of another VM of the host only."""
    told: Timestamp | UnsetType = UNSET
    """When somebody told of this replica last, and who (`told_by`)."""
    told_by: str | UnsetType = UNSET
    wrong: tuple[str, ...] = ()
    """What is wrong with it as far as the controller knows without asking its host, and what to do."""


class Replicas(Struct, frozen=True, kw_only=True):
    """A tenant's replicas, in the order of its VMs."""

    replicas: tuple[ReplicaReport, ...]
