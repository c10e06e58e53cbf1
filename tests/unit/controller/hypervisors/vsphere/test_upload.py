"""A lease is kept while a host takes nothing; a disk goes to the host that the lease names."""

from __future__ import annotations

import dataclasses
import io
import ssl
import tarfile
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme

from causeway_controller.contract.provider import Host, HostKind, Storage
from causeway_controller.hypervisors import tls
from causeway_controller.hypervisors.base import HypervisorError, unwatched
from causeway_controller.hypervisors.uploads import Upload
from causeway_controller.hypervisors.vsphere import place, rights, upload
from causeway_controller.hypervisors.vsphere.ova import Ova
from causeway_controller.hypervisors.vsphere.upload import Endpoint
from tests.tls_listener import Server


class Lease:
    """Ready at once; notes what is done with it."""

    def __init__(self) -> None:
        self.state = "ready"
        self.kept = threading.Event()
        self.done: list[str] = []
        device = SimpleNamespace(importKey="/vm/disk", url="https://*/nfc/1", sslThumbprint="")
        self.info = SimpleNamespace(deviceUrl=[device])

    def HttpNfcLeaseProgress(self, _percent: int) -> None:  # noqa: N802 - vSphere's name
        self.kept.set()

    def HttpNfcLeaseComplete(self) -> None:  # noqa: N802 - vSphere's name
        self.done.append("complete")

    def HttpNfcLeaseAbort(self) -> None:  # noqa: N802 - vSphere's name
        self.done.append("abort")


OVA = Ova(path=None, descriptor="", networks=(), disk="d", octets=10, digest="", capacity=10)  # type: ignore[arg-type]
ITEM = SimpleNamespace(deviceId="/vm/disk", create=False)


def watch() -> Upload:
    return Upload("vc1", OVA.octets, unwatched)


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint("vcenter.example", 8443, tls.by_key("0" * 64))


def test_the_lease_is_kept_while_nothing_is_taken(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = Lease()
    monkeypatch.setattr(upload, "_KEEP_SECONDS", 0.01)
    monkeypatch.setattr(upload, "_send", lambda *_: lease.kept.wait(5) or pytest.fail("it was not kept"))
    upload.import_disk(lease, [ITEM], OVA, endpoint, watch())
    assert lease.done == ["complete"]
    lease.kept.clear()
    assert not lease.kept.wait(0.1)


@pytest.mark.parametrize("error", [HypervisorError("given up"), ConnectionResetError()])
def test_a_failed_upload_is_aborted(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any) -> None:
        raise error

    lease = Lease()
    monkeypatch.setattr(upload, "_send", fail)
    with pytest.raises(type(error)):
        upload.import_disk(lease, [ITEM], OVA, endpoint, watch())
    assert lease.done == ["abort"]


def test_a_lease_that_is_lost_is_said(endpoint: Endpoint) -> None:
    lease = Lease()
    lease.state = "done"
    with pytest.raises(HypervisorError, match="its lease is done"):
        upload.import_disk(lease, [ITEM], OVA, endpoint, watch())


def test_the_disk_goes_where_the_lease_says(endpoint: Endpoint) -> None:
    own, path = endpoint.connect("https://*/nfc/52/disk-0.vmdk")
    assert (own.host, own.port, path) == ("vcenter.example", 8443, "/nfc/52/disk-0.vmdk")
    assert own._context is endpoint.context  # type: ignore[attr-defined]
    other, _ = endpoint.connect("https://esx7.example/nfc/52/disk-0.vmdk", "00" * 20)
    assert (other.host, other.port) == ("esx7.example", 443)
    assert other._context is not endpoint.context  # type: ignore[attr-defined]
    for url, thumbprint in (("http://esx7.example/nfc/1", ""), ("https://esx7.example/nfc/1", "00")):
        with pytest.raises(HypervisorError):
            endpoint.connect(url, thumbprint)


@pytest.mark.parametrize("names", ["another", "none"])
def test_a_disk_is_not_sent_to_a_host_that_shows_another_certificate_than_vcenter_names(
    endpoint: Endpoint, tmp_path: Path, names: str
) -> None:
    """Nor to one that vCenter names none of and no authority knows; the lease is given back."""
    archive = tmp_path / "one.ova"
    with tarfile.open(archive, "w") as made:
        made.addfile(tarfile.TarInfo("d"), io.BytesIO())
    server = Server(trustme.CA().issue_cert("127.0.0.1"))
    lease = Lease()
    (device,) = lease.info.deviceUrl
    device.url = f"https://127.0.0.1:{server.port}/nfc/1/disk-0.vmdk"
    device.sslThumbprint = "00" * 20 if names == "another" else ""
    try:
        with pytest.raises(ssl.SSLCertVerificationError):
            upload.import_disk(lease, [ITEM], dataclasses.replace(OVA, path=archive), endpoint, watch())
    finally:
        server.close()
    assert lease.done == ["abort"]
    assert server.heard in ([], [b""])


def test_a_datastore_of_several_clusters_needs_to_be_told_which() -> None:
    mounts = [SimpleNamespace(key=SimpleNamespace(parent=Cluster(name))) for name in ("c1", "c2", "c1")]
    host = Host(
        id="v", kind=HostKind.VSPHERE, endpoint="https://v.example/sdk", storage=Storage(id="datastore-1")
    )
    with pytest.raises(HypervisorError, match="is mounted by 2 clusters or hosts; say as `cluster`"):
        place._compute(None, host, SimpleNamespace(host=mounts))
    assert place._compute(None, host, SimpleNamespace(host=mounts[:1])).name == "c1"


class Cluster:
    """A managed object, as far as it is asked."""

    def __init__(self, name: str) -> None:
        self.name = name

    def _GetMoId(self) -> str:  # noqa: N802 - the binding's name
        return f"domain-{self.name}"


def test_the_how_to_names_every_privilege() -> None:
    page = (Path(__file__).parents[5] / "docs/how-to/vsphere.md").read_text()
    assert [one for one in rights.ALL if f"`{one}`" not in page] == []
