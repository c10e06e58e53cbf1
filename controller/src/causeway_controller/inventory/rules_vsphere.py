"""Rules of vSphere hosts: their endpoints, storage, logins and switches."""

from __future__ import annotations

from functools import partial

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import Host, HostKind, StorageKind
from causeway_controller.inventory import vsphere_names
from causeway_controller.inventory.findings import Findings
from causeway_controller.inventory.rules_host_names import REFUSED, told
from causeway_wire.problem import ProblemType


def check(findings: Findings, inventory: Inventory) -> None:
    """Note what a vSphere host would not understand, and what only it does."""
    for place, host in enumerate(inventory.hosts):
        if host.kind is HostKind.VSPHERE:
            _host(findings, host, f"/hosts/{place}")
        elif host.cluster is not UNSET:
            detail = f"a host of kind {host.kind.value} has no clusters; leave it out"
            findings.add(ProblemType.UNSUPPORTED, f"/hosts/{place}/cluster", detail)
    ours = frozenset(host.id for host in inventory.hosts if host.kind is HostKind.VSPHERE)
    for place, pool in enumerate(inventory.vlan_pools):
        if pool.host in ours:
            told(findings, partial(vsphere_names.switch, pool.switch), f"/vlan_pools/{place}/switch")


def _host(findings: Findings, host: Host, pointer: str) -> None:
    told(findings, partial(vsphere_names.endpoint, host.endpoint), f"{pointer}/endpoint")
    if host.storage.kind is not StorageKind.DATASTORE and host.storage.kind not in REFUSED:
        detail = "a vSphere host has datastores; say kind: datastore, and its id, such as datastore-11"
        findings.add(ProblemType.INVALID, f"{pointer}/storage/kind", detail)
    if host.login is UNSET:
        detail = (
            "vSphere lets nobody in without a user; name a secret of two lines, the user and the password"
        )
        findings.add(ProblemType.INVALID, f"{pointer}/login", detail)
