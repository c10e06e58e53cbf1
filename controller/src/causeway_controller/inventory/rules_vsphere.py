"""Rules of vSphere hosts: their endpoints, storage, logins and switches."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import Host, HostKind, StorageKind
from causeway_controller.inventory import vsphere_names
from causeway_controller.inventory.findings import Findings
from causeway_wire.problem import ProblemType

_REFUSED: Final = frozenset({StorageKind.VIRTUAL_VOLUMES, StorageKind.DATASTORE_CLUSTER})
"""On any host: said by its own rule."""


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
            try:
                vsphere_names.switch(pool.switch)
            except ValueError as error:
                findings.add(ProblemType.INVALID, f"/vlan_pools/{place}/switch", str(error))


def _host(findings: Findings, host: Host, pointer: str) -> None:
    try:
        vsphere_names.endpoint(host.endpoint)
    except ValueError as error:
        findings.add(ProblemType.INVALID, f"{pointer}/endpoint", str(error))
    if host.storage.kind is not StorageKind.DATASTORE and host.storage.kind not in _REFUSED:
        detail = "a vSphere host has datastores; say kind: datastore, and its id, such as datastore-11"
        findings.add(ProblemType.INVALID, f"{pointer}/storage/kind", detail)
    if host.login is UNSET:
        detail = (
            "vSphere lets nobody in without a user; name a secret of two lines, the user and the password"
        )
        findings.add(ProblemType.INVALID, f"{pointer}/login", detail)
