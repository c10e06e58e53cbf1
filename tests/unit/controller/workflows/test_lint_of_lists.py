"""`HostChecks.lint` finds lists of revoked certificates that fill, whether or not a host has replicas."""

from __future__ import annotations

from pathlib import Path

from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors.base import Provider
from causeway_controller.inventory import certificates
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.replicas import Replicas
from causeway_controller.store.tenancies import Standings
from causeway_controller.workflows.host_checks import HostChecks
from tests import stores
from tests.certificates import NOW, issued


async def no_host(host: Host) -> Provider:
    raise AssertionError(host.id)


async def test_lint_finds_lists_of_what_is_revoked_that_fill(tmp_path: Path) -> None:
    database = stores.made(tmp_path / "causeway.db")
    gateway = certificates.of_gateway("gw1", "gateway.example.net")
    full = [issued(number, gateway, revoked=True) for number in range(200)]
    checks = HostChecks(
        inventories=Inventories(database, now=lambda: NOW),
        standings=Standings(database),
        hosts=no_host,
        told=Replicas(database),
        refused=lambda: full,
        now=lambda: NOW,
    )
    (one,) = (await checks.lint()).revoked
    assert one.subject == "revoked certificates of gateway gateway.example.net"
    full.pop()
    assert (await checks.lint()).revoked == ()
