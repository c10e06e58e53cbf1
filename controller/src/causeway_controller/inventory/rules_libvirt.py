"""Rules of libvirt hosts: their endpoints, pools and switches, and the VMs on them, as libvirt calls them."""

from __future__ import annotations

from functools import partial
from typing import Final

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import Host, HostKind, StorageKind
from causeway_controller.inventory import libvirt_names, rules_host_names
from causeway_controller.inventory.book import Book
from causeway_controller.inventory.findings import Findings
from causeway_controller.inventory.libvirt_names import Transport
from causeway_controller.inventory.rules_host_names import REFUSED, Readers, told
from causeway_wire.problem import ProblemType

_READERS: Final = Readers(
    switch=lambda pool: libvirt_names.segment_of(pool.switch, vlan=max(pool.first, pool.last)),
    segment=libvirt_names.segment,
    vm=libvirt_names.vm,
)


def check(findings: Findings, inventory: Inventory, book: Book) -> None:
    """Note what a libvirt host would not understand."""
    for place, host in enumerate(inventory.hosts):
        if host.kind is HostKind.LIBVIRT:
            _host(findings, host, f"/hosts/{place}")
    rules_host_names.check(findings, inventory, book, HostKind.LIBVIRT, _READERS)


def _host(findings: Findings, host: Host, pointer: str) -> None:
    transport = told(findings, partial(libvirt_names.endpoint, host.endpoint), f"{pointer}/endpoint")
    if host.storage.kind is not StorageKind.DIRECTORY and host.storage.kind not in REFUSED:
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
