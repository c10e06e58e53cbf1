"""What the lab's host is asked for and answers: `hypervisors.base.Provider` as JSON over a Unix socket."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from causeway_controller.contract.hosts import Finding
from causeway_controller.hypervisors.base import FoundVm, Machine


class Segment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which VLAN of which virtual switch."""

    switch: str
    vlan: int


class Find(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which machine: an appliance by its id, a VM by `tenant/vm`."""

    owner_id: str


class Power(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which machine on or off, after at most `grace` seconds of orderly shutdown."""

    owner_id: str
    on: bool
    grace: float


class Inspect(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the host is compared with."""

    networks: tuple[str, ...] = ()
    vlans: tuple[tuple[str, int], ...] = ()


class List(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All its VMs."""


class Said(Struct, frozen=True, kw_only=True):
    """An answer; `error` when the host refused."""

    error: str | None = None
    machine: Machine | None = None
    segment: str | None = None
    reasons: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    clock: datetime | None = None
    vms: tuple[FoundVm, ...] = ()
