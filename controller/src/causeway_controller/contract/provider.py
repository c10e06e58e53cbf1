"""What a provider has: hosts, pools of VLANs and public addresses, cloud gateways, hardware plans."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from causeway_wire.desired import Document, PerVersion
from causeway_wire.types import (
    ApplianceId,
    IPAddress,
    IPInterface,
    Name,
    NetworkId,
    Port,
    VlanId,
    sha256,
    shaped,
)

ForeignId = Annotated[
    str,
    shaped(
        r"^[\x21-\x7e]([\x20-\x7e]{0,126}[\x21-\x7e])?(?!\n)$",
        "1 to 128 printable ASCII characters, such as dvs-21; spaces only between others",
        description="what a hypervisor calls an object of its own, such as dvs-21 or a GUID; never its "
        "title, which people change",
    ),
]
Url = Annotated[
    str,
    shaped(
        r"^[a-z][a-z0-9+.-]{1,20}://[\x21-\x7e]{1,500}(?!\n)$",
        "a URL, such as https://vcenter.example/sdk or qemu:///system: lower-case letters, ://, and 1 to 500 "
        "ASCII characters without spaces",
    ),
]
Fingerprint = Annotated[str, sha256("SHA-256 of a public key, lower-case hexadecimal")]
Many = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class HostKind(StrEnum):
    """The hypervisors that Causeway knows; each is a platform of its own."""

    VSPHERE = "vsphere"
    HYPERV = "hyperv"
    LIBVIRT = "libvirt"
    LAB = "lab"


class StorageKind(StrEnum):
    """Where a host keeps the disks of VMs. Appliances cannot live on the last two (seed)."""

    DATASTORE = "datastore"
    DIRECTORY = "directory"
    VIRTUAL_VOLUMES = "virtual-volumes"
    DATASTORE_CLUSTER = "datastore-cluster"


class Rebuild(StrEnum):
    """Which dead appliances of a host the controller brings back by itself."""

    NEVER = "never"
    SAFE = "safe"
    """Whose machine is gone or is off while it serves a failover, and idle ones that are silent for long."""
    ALWAYS = "always"
    """Besides those, silent ones that serve a failover: their networks are interrupted while it lasts."""


class Storage(Document, frozen=True, kw_only=True):
    """Where the appliances of a host are put."""

    id: ForeignId
    kind: StorageKind = StorageKind.DATASTORE


class Host(Document, frozen=True, kw_only=True):
    """A virtualisation host or cluster at the provider that replicas run on."""

    id: Name
    kind: HostKind
    endpoint: Url
    """Of the hypervisor's management, such as https://vcenter.example/sdk or qemu:///system."""
    storage: Storage
    pin: Fingerprint | UnsetType = UNSET
    """Of the endpoint's public key; without it the authorities of the operating system are asked."""
    login: Name | UnsetType = UNSET
    """The name of a secret in the vault. The secret itself is never part of a document."""
    folder: Annotated[str, Meta(min_length=1, max_length=80)] = "Cloud_Connect_Replication"
    """Folder and resource pool that appliances are put into (seed)."""
    cluster: ForeignId | UnsetType = UNSET
    """Of vSphere: the cluster or ESXi host to deploy on, such as domain-c8; needed where the storage is
    mounted by several.
    """
    rebuild: Rebuild = Rebuild.SAFE


class NetworkClass(StrEnum):
    """Whether the replicas of a network may open connections to the internet in full failover."""

    INTERNET = "internet"
    ISOLATED = "isolated"


class VlanPool(Document, frozen=True, kw_only=True):
    """VLANs that the provider set aside on one virtual switch, `first` to `last`, for networks of a class."""

    id: Name
    host: Name
    switch: ForeignId
    network_class: NetworkClass
    first: VlanId
    last: VlanId


class PublicPool(Document, frozen=True, kw_only=True):
    """Public addresses, `first` to `last`, that tenants are given out of."""

    id: Name
    first: IPAddress
    last: IPAddress


class Gateway(Document, frozen=True, kw_only=True):
    """A cloud gateway: where tenants' tunnels come in, and its side towards the provider's appliances."""

    id: ApplianceId
    host: Name
    public: Annotated[tuple[IPInterface, ...], Meta(min_length=1, max_length=8)]
    inside: Annotated[tuple[IPInterface, ...], Meta(min_length=1, max_length=8)]
    gateways: PerVersion = ()
    """Default gateways of the public side, one per IP version."""
    public_network: ForeignId = "public"
    """The hypervisor's network or port group of each side."""
    inside_network: ForeignId = "inside"


class GatewayPool(Document, frozen=True, kw_only=True):
    """Gateways that the same tenants' tunnels may use: the next one takes over when one fails."""

    id: Name
    name: Name
    """The DNS name in the gateways' TLS certificates."""
    gateways: Annotated[tuple[ApplianceId, ...], Meta(min_length=1, max_length=16)]
    port: Port = 6180


class PlanNetwork(Document, frozen=True, kw_only=True):
    """A network that every subscriber of a plan gets, as a VLAN of its own."""

    id: NetworkId
    network_class: NetworkClass


class Quotas(Document, frozen=True, kw_only=True):
    """The most that one subscriber may use; unlimited where nothing is said."""

    vcpus: Many | UnsetType = UNSET
    memory_mib: Many | UnsetType = UNSET
    storage_gib: Many | UnsetType = UNSET


class HardwarePlan(Document, frozen=True, kw_only=True):
    """What a subscriber gets on one host: networks, and how much of the machine."""

    id: Name
    host: Name
    networks: Annotated[tuple[PlanNetwork, ...], Meta(min_length=1, max_length=128)]
    quotas: Quotas = Quotas()
