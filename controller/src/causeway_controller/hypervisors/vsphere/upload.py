"""The disk of an import, streamed out of the OVA while its lease is kept alive. Blocking.

A timer keeps the lease, so that a host that takes nothing for a while does not lose it; what is sent is
compared with the manifest, and the import is only completed when both agree.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import ssl
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import quote, urlsplit

from causeway_controller.hypervisors import tls
from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.hypervisors.uploads import Upload
from causeway_controller.hypervisors.vsphere import binding
from causeway_controller.hypervisors.vsphere.ova import Ova

_KEEP_SECONDS: Final = 15.0
"""A lease ends five minutes after it was last kept."""
_READY_SECONDS: Final = 300.0
_TAKEN_SECONDS: Final = 600.0
"""For a disk that was sent whole: its last octets are written, and the import is completed."""
_PIECE: Final = 1 << 18


class Endpoint:
    """The vCenter or ESXi that the session is with: where leases and files are, unless they say otherwise."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        self.host = host
        self.port = port
        self.context = context

    def connect(self, url: str, thumbprint: str = "") -> tuple[http.client.HTTPSConnection, str]:
        """Return a connection to this URL's host, verified, and the path. Raises HypervisorError.

        `*` stands for this endpoint. Another host is known by the certificate that vCenter names, else by the
        operating system's authorities.
        """
        parts = urlsplit(url)
        host, port, context = parts.hostname or "", parts.port or 443, self.context
        if parts.netloc == "*":
            host, port = self.host.strip("[]"), self.port
        elif (host, port) != (self.host.strip("[]"), self.port):
            try:
                context = tls.by_thumbprint(thumbprint) if thumbprint else tls.by_authorities()
            except ValueError as error:
                raise HypervisorError(str(error)) from error
        if parts.scheme != "https" or not host:
            raise HypervisorError(f"the host wants the disk at {url}, which is no https:// URL")
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        return http.client.HTTPSConnection(host, port, context=context, timeout=tls.SECONDS), path

    def put_file(self, place: Any, path: str, content: bytes, cookie: str) -> None:
        """Write a small file into the datastore. Raises HypervisorError and what the network raises."""
        query = f"dcPath={quote(place.datacenter_path)}&dsName={quote(place.datastore.name)}"
        connection, _ = self.connect("https://*/")
        with contextlib.closing(connection):
            headers = {"Cookie": cookie.partition(";")[0], "Content-Type": "application/octet-stream"}
            connection.request("PUT", f"/folder/{quote(path)}?{query}", body=content, headers=headers)
            _done(connection, "the seed")


def import_disk(lease: Any, items: Any, ova: Ova, endpoint: Endpoint, watch: Upload) -> None:
    """Send the disk and complete the lease; abort it when that fails. `watch` may raise to end it."""
    ended = threading.Event()
    try:
        watch.waits("make room for the disk", _READY_SECONDS)
        _ready(lease)
        (item,) = items
        (device,) = [one for one in lease.info.deviceUrl if one.importKey == item.deviceId]
        with _kept(lease, ended, lambda: min(99, 100 * watch.moved // max(1, ova.octets))):
            _send(device, item, ova, endpoint, watch)
            lease.HttpNfcLeaseComplete()
    except BaseException:
        ended.set()
        with contextlib.suppress(Exception):
            lease.HttpNfcLeaseAbort()
        raise


def _ready(lease: Any) -> None:
    vim, _ = binding.load()
    states, deadline = vim.HttpNfcLease.State, time.monotonic() + _READY_SECONDS
    while (state := lease.state) == states.initializing:
        if time.monotonic() > deadline:
            raise HypervisorError(f"the host makes nothing ready for the disk within {_READY_SECONDS:.0f} s")
        time.sleep(0.2)
    if state == states.error:
        raise lease.error
    if state != states.ready:
        raise HypervisorError(f"the host gave up waiting for the disk: its lease is {state}")


@contextlib.contextmanager
def _kept(lease: Any, ended: threading.Event, percent: Callable[[], int]) -> Iterator[None]:
    """Keep the lease from a thread of its own until this ends."""

    def keep() -> None:
        while not ended.wait(_KEEP_SECONDS):
            with contextlib.suppress(Exception):  # a lease that is lost, the upload itself will notice
                lease.HttpNfcLeaseProgress(percent())

    keeper = threading.Thread(target=keep, name="vsphere lease", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()


def _send(device: Any, item: Any, ova: Ova, endpoint: Endpoint, watch: Upload) -> None:
    connection, path = endpoint.connect(device.url, device.sslThumbprint or "")
    digest = hashlib.sha256()
    with contextlib.closing(connection), tarfile.open(ova.path) as archive:
        content = archive.extractfile(ova.disk)
        if content is None:
            raise HypervisorError(f"{ova.path} has no {ova.disk} any more")
        connection.putrequest("PUT" if item.create else "POST", path)
        connection.putheader("Content-Type", "application/x-vnd.vmware-streamVmdk")
        connection.putheader("Content-Length", str(ova.octets))
        connection.endheaders()
        connection.sock.settimeout(tls.SECONDS)
        while piece := content.read(_PIECE):
            digest.update(piece)
            connection.send(piece)
            watch.sent(len(piece))
        watch.waits("take over the disk that it was sent", _TAKEN_SECONDS)
        connection.sock.settimeout(_TAKEN_SECONDS)
        _done(connection, "the disk")
    if digest.hexdigest() != ova.digest:
        raise HypervisorError(f"{ova.disk} in {ova.path} is not what its manifest says; verify the download")


def _done(connection: http.client.HTTPSConnection, what: str) -> None:
    answer = connection.getresponse()
    answer.read()
    if answer.status not in {http.HTTPStatus.OK, http.HTTPStatus.CREATED, http.HTTPStatus.NO_CONTENT}:
        raise HypervisorError(f"the host refused {what}: {answer.status} {answer.reason}")
