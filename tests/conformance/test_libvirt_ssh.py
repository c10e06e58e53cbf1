"""A libvirt daemon over SSH, by OpenSSH's sshd: who it must be, and what a connection that is lost leaves."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_controller.contract.hosts import Grade, Topic
from causeway_controller.hypervisors.base import HypervisorError, unwatched
from causeway_controller.hypervisors.libvirt import opening
from causeway_controller.hypervisors.libvirt.domain import Hardware
from causeway_controller.hypervisors.libvirt.provider import LibvirtProvider
from causeway_controller.hypervisors.libvirt.session import Session
from causeway_controller.inventory.host_needs import HostNeeds
from tests import sshd
from tests.conformance import entries, kinds
from tests.conformance import test_verbs as verbs
from tests.conformance.kinds import OWNER, LibvirtKind
from tests.cutting_proxy import Proxy, Way, between
from tests.libvirtd import POOL, Libvirtd
from tests.sshd import Sshd

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(60)]

_SOCKETS = Path("/run/libvirt")
"""Where the program at the far end looks for the daemon."""


@pytest.fixture
def server(daemon: Libvirtd, place: Path) -> Iterator[Sshd]:
    if not sshd.available():
        pytest.fail("there is no sshd: scripts/setup libvirt installs it", pytrace=False)
    _SOCKETS.mkdir(exist_ok=True)
    subprocess.run(("mount", "--bind", str(daemon.socket.parent), str(_SOCKETS)), check=True)
    try:
        with sshd.running(Path(tempfile.mkdtemp(dir=place))) as one:
            yield one
    finally:
        subprocess.run(("umount", str(_SOCKETS)), check=True)


@pytest_asyncio.fixture
async def host(daemon: Libvirtd, place: Path) -> AsyncIterator[LibvirtKind]:
    async with kinds.libvirt(daemon, Path(tempfile.mkdtemp(dir=place))) as kind:
        yield kind


@pytest_asyncio.fixture
async def line(server: Sshd) -> AsyncIterator[Proxy]:
    """What may be cut between the controller and the server."""
    async with between(("127.0.0.1", server.port)) as one:
        server.pin(server.key, one.port)
        yield one


def provider(host: LibvirtKind, port: int, *, name: str = "root@127.0.0.1") -> LibvirtProvider:
    entry = entries.libvirt_entry(f"qemu+ssh://{name}:{port}/system")
    hardware = Hardware(mebibytes=16, domain="qemu")
    session = Session(entry.id, opening.connector(entry, None))
    return LibvirtProvider(host=entry.id, session=session, pool=POOL, image=host.image, hardware=hardware)


@pytest.mark.shows(
    operations=("deploy", "find", "check", "power on", "power off", "destroy"), fault="over SSH"
)
async def test_a_machine_is_deployed_and_removed_over_ssh(host: LibvirtKind, line: Proxy) -> None:
    had = host.there()
    one = provider(host, line.port)
    await one.deploy(host.spec, unwatched)
    await verbs.check(host, "deploy", had)
    found = (await one.inspect(HostNeeds(networks=("left",)))).findings
    (identity,) = (each for each in found if each.topic is Topic.IDENTITY)
    assert (identity.grade, "the connection is private" in identity.text) == (Grade.GOOD, True)
    await one.power(OWNER, on=True, grace=0)
    await one.power(OWNER, on=False, grace=0)
    await one.destroy(OWNER)
    assert host.there() == had


@pytest.mark.shows(operation="find", fault="SSH: unknown, exchanged host")
async def test_who_is_not_known_or_has_another_key_is_told_nothing(
    host: LibvirtKind, server: Sshd, line: Proxy
) -> None:
    known = server.key
    server.pin(known)
    with pytest.raises(HypervisorError, match="Host key verification failed"):
        await provider(host, line.port).find(OWNER)
    server.pin(known, line.port)
    one = provider(host, line.port)
    assert await one.find(OWNER) is None
    server.another()
    line.cut()
    with pytest.raises(HypervisorError, match="Host key verification failed"):
        await one.find(OWNER)
    assert "Accepted" not in (server.place / "log").read_text().rpartition("Server listening")[2]
    server.pin(server.key, line.port)
    assert await one.find(OWNER) is None


@pytest.mark.shows(operation="find", fault="SSH: a user who has no key there")
async def test_who_has_no_key_there_is_not_let_in(host: LibvirtKind, line: Proxy) -> None:
    with pytest.raises(HypervisorError, match="Permission denied"):
        await provider(host, line.port, name="nobody@127.0.0.1").find(OWNER)


@pytest.mark.shows(operation="deploy", fault="SSH: lost in the middle of an upload")
async def test_a_connection_that_is_lost_in_the_middle_of_an_upload_leaves_nothing(
    host: LibvirtKind, line: Proxy
) -> None:
    had = host.there()
    one = provider(host, line.port)
    await one.find(OWNER)
    line.arm(Way.ASKED, host.image.stat().st_size // 2)
    with pytest.raises(HypervisorError):
        await one.deploy(host.spec, unwatched)
    assert line.cuts == 1
    assert host.there() == had
    await one.deploy(host.spec, unwatched)
    await verbs.check(host, "deploy", had)
