"""Rules of Hyper-V hosts: their endpoints, folders, logins and switches, and the VMs on them."""

from __future__ import annotations

from functools import partial
from typing import Final

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import Host, HostKind, StorageKind
from causeway_controller.inventory import hyperv_names, rules_host_names
from causeway_controller.inventory.book import Book
from causeway_controller.inventory.findings import Findings
from causeway_controller.inventory.rules_host_names import REFUSED, Readers, told
from causeway_wire.problem import ProblemType

_READERS: Final = Readers(
    switch=lambda pool: hyperv_names.switch(pool.switch), segment=hyperv_names.segment, vm=hyperv_names.guid
)


def check(findings: Findings, inventory: Inventory, book: Book) -> None:
    """Note what a Hyper-V host would not understand."""
    for place, host in enumerate(inventory.hosts):
        if host.kind is HostKind.HYPERV:
            _host(findings, host, f"/hosts/{place}")
    rules_host_names.check(findings, inventory, book, HostKind.HYPERV, _READERS)


def _host(findings: Findings, host: Host, pointer: str) -> None:
    told(findings, partial(hyperv_names.endpoint, host.endpoint), f"{pointer}/endpoint")
    told(findings, partial(hyperv_names.folder, host.folder), f"{pointer}/folder")
    if host.storage.kind is StorageKind.DIRECTORY:
        told(findings, partial(hyperv_names.directory, host.storage.id), f"{pointer}/storage/id")
    elif host.storage.kind not in REFUSED:
        detail = (
            "a Hyper-V host has directories; say kind: directory, and its path as id, such as D:\\Hyper-V"
        )
        findings.add(ProblemType.INVALID, f"{pointer}/storage/kind", detail)
    if host.login is UNSET:
        detail = (
            "Hyper-V lets nobody in without a user; name a secret of two lines, the user and the password"
        )
        findings.add(ProblemType.INVALID, f"{pointer}/login", detail)
