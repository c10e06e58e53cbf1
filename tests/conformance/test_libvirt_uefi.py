"""Machines start by UEFI: its variables go with them, and a host without it is refused beforehand."""

from __future__ import annotations

import subprocess
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from causeway_controller.contract.hosts import Finding, Grade, Topic
from causeway_controller.hypervisors.base import HypervisorError, unwatched
from causeway_controller.hypervisors.libvirt import domain
from causeway_controller.inventory.host_needs import HostNeeds
from tests.conformance import kinds
from tests.conformance.kinds import OWNER, LibvirtKind
from tests.libvirtd import Libvirtd

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(60)]

DESCRIPTORS = Path("/usr/share/qemu/firmware")
"""Where QEMU's firmware says what it can (docs/interop/firmware.json of QEMU)."""
VARIABLES = Path("/var/lib/libvirt/qemu/nvram")


@pytest_asyncio.fixture
async def host(daemon: Libvirtd, place: Path) -> AsyncIterator[LibvirtKind]:
    async with kinds.libvirt(daemon, Path(tempfile.mkdtemp(dir=place))) as kind:
        yield kind


@contextmanager
def only(daemon: Libvirtd, *descriptors: str) -> Iterator[None]:
    """The host has this firmware alone, as its daemon has known since it began."""
    kept = {name: (DESCRIPTORS / name).read_bytes() for name in descriptors}
    subprocess.run(("mount", "-t", "tmpfs", "tmpfs", str(DESCRIPTORS)), check=True)
    try:
        for name, content in kept.items():
            (DESCRIPTORS / name).write_bytes(content)
        daemon.kill()
        daemon.start()
        yield
    finally:
        subprocess.run(("umount", str(DESCRIPTORS)), check=True)
        daemon.kill()
        daemon.start()


def variables() -> list[Path]:
    return list(VARIABLES.iterdir())


def started_with(host: LibvirtKind) -> dict[str, str]:
    """The loader of the machine, while it runs: its file, and how it is used."""

    def look(connection: Any) -> dict[str, str]:
        described = connection.lookupByUUIDString(domain.identity(OWNER)).XMLDesc()
        loader = ET.fromstring(described).find("os/loader")  # noqa: S314 - our own daemon's
        return {} if loader is None else {"file": str(loader.text), **loader.attrib}

    found: dict[str, str] = host.daemon.ask(look)
    return found


async def traps(host: LibvirtKind) -> list[Finding]:
    found = await host.provider().inspect(HostNeeds(networks=("left",)))
    return [one for one in found.findings if one.topic is Topic.TRAPS]


@pytest.mark.shows(operation="destroy", fault="variables of UEFI")
async def test_a_machine_starts_by_secure_boot_and_leaves_no_variables(host: LibvirtKind) -> None:
    had, provider = host.there(), host.provider()
    for _ in range(2):
        await provider.deploy(host.spec, unwatched)
        await provider.power(OWNER, on=True, grace=0)
        assert started_with(host)["secure"] == "yes"
        kept = variables()
        await provider.power(OWNER, on=False, grace=0)
        assert (len(kept), variables()) == (1, kept)
        await provider.power(OWNER, on=True, grace=0)
        await provider.destroy(OWNER)
        await provider.destroy(OWNER)
        assert (variables(), host.there()) == ([], had)


@pytest.mark.shows(operation="deploy", fault="host without UEFI")
async def test_a_host_without_uefi_is_refused_with_what_to_do(host: LibvirtKind) -> None:
    had = host.there()
    with only(host.daemon):
        (found,) = [one for one in await traps(host) if one.grade is Grade.PROBLEM]
        assert "no UEFI for machines" in found.text
        assert "apt-get install ovmf" in found.advice
        with pytest.raises(HypervisorError, match=r"no UEFI for machines.*apt-get install ovmf"):
            await host.provider().deploy(host.spec, unwatched)
        assert host.there() == had


async def test_without_secure_boot_a_machine_starts_all_the_same_and_it_is_said(host: LibvirtKind) -> None:
    with only(host.daemon, "60-edk2-x86_64.json"):
        (found,) = [
            one for one in await traps(host) if "Secure Boot" in one.text and one.grade is Grade.WARNING
        ]
        assert "apt-get install ovmf" in found.advice
        await host.provider().deploy(host.spec, unwatched)
        await host.provider().power(OWNER, on=True, grace=0)
        loader = started_with(host)
        assert (loader["type"], loader.get("secure", "no")) == ("pflash", "no")
        await host.provider().destroy(OWNER)
