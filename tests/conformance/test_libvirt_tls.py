"""A libvirt daemon over TLS: who it must be, and who we must be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from causeway_controller.contract.provider import Host, HostKind, Storage, StorageKind
from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.hypervisors.libvirt import opening
from causeway_controller.hypervisors.libvirt.provider import LibvirtProvider
from causeway_wire.types import Secret
from tests.libvirtd import POOL, Libvirtd

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(60)]

PORT = 16599
OWN, OTHER = trustme.CA(), trustme.CA()
"""The provider's authority, and one that has nothing to do with it."""
Serving = Callable[[trustme.CA], None]


@pytest.fixture
def serving(daemon: Libvirtd, tmp_path: Path) -> Iterator[Serving]:
    """Begins the daemon anew, as `localhost` by a certificate of this authority; clients need `OWN`'s."""

    def serve(authority: trustme.CA) -> None:
        files = {name: tmp_path / f"{name}.pem" for name in ("key", "cert", "ca")}
        certificate = authority.issue_cert("localhost")
        certificate.private_key_pem.write_to_path(files["key"])
        certificate.cert_chain_pems[0].write_to_path(files["cert"])
        OWN.cert_pem.write_to_path(files["ca"])
        paths = tuple(f'{name}_file = "{path}"' for name, path in files.items())
        daemon.kill()
        daemon.more = (
            "listen_tls = 1",
            "listen_tcp = 0",
            f'tls_port = "{PORT}"',
            'listen_addr = "127.0.0.1"',
            "tls_no_sanity_certificate = 1",
            *paths,
        )
        daemon.start()

    yield serve
    daemon.kill()
    daemon.more = ()
    daemon.start()


def provider(*, authority: trustme.CA, ours: trustme.CA, name: str = "localhost") -> LibvirtProvider:
    """As a controller has it that trusts this authority, and has a certificate of `ours`."""
    certificate = ours.issue_cert("controller.example")
    parts = (certificate.cert_chain_pems[0], certificate.private_key_pem, authority.cert_pem)
    host = Host(
        id="kvm1",
        kind=HostKind.LIBVIRT,
        endpoint=f"qemu+tls://{name}:{PORT}/system",
        storage=Storage(id=POOL, kind=StorageKind.DIRECTORY),
    )
    return opening.open_host(host, Secret("".join(part.bytes().decode() for part in parts)), Path("/none"))


async def refused(one: LibvirtProvider) -> bool:
    with pytest.raises(HypervisorError, match="cannot be reached"):
        await one.find("acme-one")
    return True


@pytest.mark.shows(operation="find", fault="TLS: wrong authority, name, or client")
async def test_only_the_right_host_is_talked_to_and_only_by_the_right_client(serving: Serving) -> None:
    serving(OWN)
    assert await provider(authority=OWN, ours=OWN).find("acme-one") is None
    assert await refused(provider(authority=OTHER, ours=OWN))
    assert await refused(provider(authority=OWN, ours=OWN, name="127.0.0.1"))
    assert await refused(provider(authority=OWN, ours=OTHER))


async def test_hosts_and_controllers_may_have_different_authorities(serving: Serving) -> None:
    """The daemon asks clients for `OWN`'s; libvirt's client would want ours of the host's authority, too."""
    serving(OTHER)
    assert await provider(authority=OTHER, ours=OWN).find("acme-one") is None
    assert await refused(provider(authority=OWN, ours=OWN))


@pytest.mark.shows(operation="find", fault="TLS: another host in its place")
async def test_a_host_that_was_exchanged_is_refused_when_it_is_asked_again(serving: Serving) -> None:
    serving(OWN)
    one = provider(authority=OWN, ours=OWN)
    await one.find("acme-one")
    serving(OTHER)
    assert await refused(one)


async def test_no_key_is_left_on_disk(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    serving(OWN)
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    await provider(authority=OWN, ours=OWN).find("acme-one")
    assert list(place.iterdir()) == []
