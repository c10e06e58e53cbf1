"""Rules of Hyper-V hosts: their endpoints, folders, logins and switches, and the VMs on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import Host, HostKind, StorageKind
from causeway_controller.inventory import hyperv_names
from causeway_controller.inventory.book import Book
from causeway_controller.inventory.findings import Findings
from causeway_wire.problem import ProblemType

_REFUSED: Final = frozenset({StorageKind.VIRTUAL_VOLUMES, StorageKind.DATASTORE_CLUSTER})
"""On any host: said by its own rule."""


def check(findings: Findings, inventory: Inventory, book: Book) -> None:
    """Note what a Hyper-V host would not understand."""
    for place, host in enumerate(inventory.hosts):
        if host.kind is HostKind.HYPERV:
            _host(findings, host, f"/hosts/{place}")
    for read, text, pointer in _names(inventory, book):
        _told(findings, read, text, pointer)


def _host(findings: Findings, host: Host, pointer: str) -> None:
    _told(findings, hyperv_names.endpoint, host.endpoint, f"{pointer}/endpoint")
    _told(findings, hyperv_names.folder, host.folder, f"{pointer}/folder")
    if host.storage.kind is StorageKind.DIRECTORY:
        _told(findings, hyperv_names.directory, host.storage.id, f"{pointer}/storage/id")
    elif host.storage.kind not in _REFUSED:
        detail = (
            "a Hyper-V host has directories; say kind: directory, and its path as id, such as D:\\Hyper-V"
        )
        findings.add(ProblemType.INVALID, f"{pointer}/storage/kind", detail)
    if host.login is UNSET:
        detail = (
            "Hyper-V lets nobody in without a user; name a secret of two lines, the user and the password"
        )
        findings.add(ProblemType.INVALID, f"{pointer}/login", detail)


def _names(inventory: Inventory, book: Book) -> Iterator[tuple[Callable[[str], object], str, str]]:
    """What reads each name of something on a Hyper-V host, the name, and the pointer to it."""
    ours = frozenset(host.id for host in inventory.hosts if host.kind is HostKind.HYPERV)
    for n, pool in enumerate(inventory.vlan_pools):
        if pool.host in ours:
            yield hyperv_names.switch, pool.switch, f"/vlan_pools/{n}/switch"
    for n, gateway in enumerate(inventory.gateways):
        if gateway.host in ours:
            yield hyperv_names.segment, gateway.public_network, f"/gateways/{n}/public_network"
            yield hyperv_names.segment, gateway.inside_network, f"/gateways/{n}/inside_network"
    for n, tenant in enumerate(inventory.tenants):
        for m, subscription in enumerate(tenant.subscriptions):
            plan = book.plans.get(subscription.plan)
            if plan is not None and plan.host in ours:
                where = f"/tenants/{n}/subscriptions/{m}/uplink/network"
                yield hyperv_names.segment, subscription.uplink.network, where
        for m, vm in enumerate(tenant.vms):
            if vm.replica is not UNSET and vm.replica.host in ours:
                yield hyperv_names.guid, vm.replica.vm_id, f"/tenants/{n}/vms/{m}/replica/vm_id"


def _told(findings: Findings, read: Callable[[str], object], text: str, pointer: str) -> None:
    try:
        read(text)
    except ValueError as error:
        findings.add(ProblemType.INVALID, pointer, str(error))
