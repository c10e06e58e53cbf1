"""Rules of libvirt hosts: their endpoints, pools and switches, and the VMs on them, as libvirt calls them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import Host, HostKind, StorageKind
from causeway_controller.inventory import libvirt_names
from causeway_controller.inventory.book import Book
from causeway_controller.inventory.findings import Findings
from causeway_controller.inventory.libvirt_names import Transport
from causeway_wire.problem import ProblemType

_REFUSED: Final = frozenset({StorageKind.VIRTUAL_VOLUMES, StorageKind.DATASTORE_CLUSTER})
"""On any host: said by its own rule."""


def check(findings: Findings, inventory: Inventory, book: Book) -> None:
    """Note what a libvirt host would not understand."""
    for place, host in enumerate(inventory.hosts):
        if host.kind is HostKind.LIBVIRT:
            _host(findings, host, f"/hosts/{place}")
    for read, text, pointer in _names(inventory, book):
        _told(findings, read, text, pointer)


def _host(findings: Findings, host: Host, pointer: str) -> None:
    transport = _told(findings, libvirt_names.endpoint, host.endpoint, f"{pointer}/endpoint")
    if host.storage.kind is not StorageKind.DIRECTORY and host.storage.kind not in _REFUSED:
        detail = "a libvirt host has pools; say kind: directory, and the pool's name as id"
        findings.add(ProblemType.INVALID, f"{pointer}/storage/kind", detail)
    if host.pin is not UNSET:
        detail = (
            "libvirt cannot pin a key, so a pin would not be kept; put the authority that signs this host "
            "alone into the secret of its login, or the host's key into known_hosts for SSH"
        )
        findings.add(ProblemType.UNSUPPORTED, f"{pointer}/pin", detail)
    if host.login is not UNSET and transport not in {Transport.TLS, None}:
        detail = "only qemu+tls:// logs in with a secret; for SSH the key is in the controller's own ~/.ssh"
        findings.add(ProblemType.UNSUPPORTED, f"{pointer}/login", detail)


def _names(inventory: Inventory, book: Book) -> Iterator[tuple[Callable[[str], object], str, str]]:
    """What reads each name of something on a libvirt host, the name, and the pointer to it."""
    ours = frozenset(host.id for host in inventory.hosts if host.kind is HostKind.LIBVIRT)
    for n, pool in enumerate(inventory.vlan_pools):
        if pool.host in ours:
            switch = functools.partial(libvirt_names.segment_of, vlan=max(pool.first, pool.last))
            yield switch, pool.switch, f"/vlan_pools/{n}/switch"
    for n, gateway in enumerate(inventory.gateways):
        if gateway.host in ours:
            yield libvirt_names.segment, gateway.public_network, f"/gateways/{n}/public_network"
            yield libvirt_names.segment, gateway.inside_network, f"/gateways/{n}/inside_network"
    for n, tenant in enumerate(inventory.tenants):
        for m, subscription in enumerate(tenant.subscriptions):
            plan = book.plans.get(subscription.plan)
            if plan is not None and plan.host in ours:
                where = f"/tenants/{n}/subscriptions/{m}/uplink/network"
                yield libvirt_names.segment, subscription.uplink.network, where
        for m, vm in enumerate(tenant.vms):
            if vm.replica is not UNSET and vm.replica.host in ours:
                yield libvirt_names.vm, vm.replica.vm_id, f"/tenants/{n}/vms/{m}/replica/vm_id"


def _told(findings: Findings, read: Callable[[str], object], text: str, pointer: str) -> object:
    """What is read; None, with its problem noted, where that fails."""
    try:
        return read(text)
    except ValueError as error:
        findings.add(ProblemType.INVALID, pointer, str(error))
        return None
