"""What a host of VMs was found to be like, and which VMs it has."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from causeway_controller.contract.change import Filling
from causeway_controller.contract.provider import HostKind
from causeway_controller.contract.status import Trouble
from causeway_wire.types import Name


class Topic(StrEnum):
    """What a finding is about."""

    REACHED = "reached"
    IDENTITY = "identity"
    RIGHTS = "rights"
    NETWORKS = "networks"
    STORAGE = "storage"
    TIME = "time"
    TRAPS = "traps"
    """Settings of this hypervisor that break what an appliance does."""
    REPLICAS = "replicas"


class Grade(StrEnum):
    """What a finding means to a deployment or a failover."""

    GOOD = "good"
    UNKNOWN = "unknown"
    """It cannot be asked from here."""
    WARNING = "warning"
    PROBLEM = "problem"
    """Something that the inventory wants will fail."""


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was looked at."""

    topic: Topic
    grade: Grade
    text: str
    advice: str = ""
    """The next step, unless all is well."""


class HostReport(Struct, frozen=True, kw_only=True):
    """A host, looked at and not changed."""

    host: Name
    kind: HostKind
    ready: bool
    """Whether no finding is a problem."""
    findings: tuple[Finding, ...]


class LintReport(Struct, frozen=True, kw_only=True):
    """What is wrong with replicas, on each host that has some, and what fills up."""

    hosts: tuple[HostReport, ...]
    fills: tuple[Filling, ...] = ()
    """What is nearly full in the inventory in force."""
    revoked: tuple[Trouble, ...] = ()
    """Which lists of revoked certificates are nearly full."""


class VmNic(Struct, frozen=True, kw_only=True):
    """A vNIC; `network` as the hypervisor calls what it is plugged into, empty when it is into nothing."""

    mac: str
    network: str


class HostVm(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A VM that a host has."""

    id: str
    """What a replica of the inventory has as its `vm_id`."""
    name: str
    powered_on: bool
    nics: tuple[VmNic, ...] = ()
    known_as: str = ""
    """`appliance NAME` or `replica TENANT/VM`, where it is one of the inventory's."""


class HostVms(Struct, frozen=True, kw_only=True):
    """The VMs of a host, by name."""

    host: Name
    vms: tuple[HostVm, ...]
