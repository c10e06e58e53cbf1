"""A simulated vCenter or ESXi host of the tests' own: govmomi's, built from Debian's packages."""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import subprocess
import tarfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim

from image import ovf
from image import vmdk as stream

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "tests/vsphere/simulator.go"
USER, PASSWORD = "user", "password"
_DEBIANS_GO = "/usr/share/gocode"


@dataclass(frozen=True, slots=True, kw_only=True)
class Centre:
    """It runs; `service` is a login of the tests' own."""

    host: str
    port: int
    authority: trustme.CA
    pin: str
    """SHA-256 of its public key."""
    uploads: Path
    """What was imported, by names of devices."""
    service: Any

    @property
    def trusted(self) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.authority.configure_trust(made)
        return made

    @property
    def datacenter(self) -> Any:
        return self.service.content.rootFolder.childEntity[0]

    def named(self, kind: Any, name: str) -> Any:
        """The object of this type and name."""
        view = self.service.content.viewManager.CreateContainerView(
            container=self.service.content.rootFolder, type=[kind], recursive=True
        )
        (found,) = (one for one in view.view if one.name == name)
        view.Destroy()
        return found

    def id(self, kind: Any, name: str) -> str:
        return str(self.named(kind, name)._GetMoId())

    def expire(self) -> None:
        """End every session but this login's."""
        manager = self.service.content.sessionManager
        mine = manager.currentSession.key
        manager.TerminateSession([one.key for one in manager.sessionList if one.key != mine])

    def leave(self, octets: int | None) -> None:
        """Have LocalDS_0 have so many octets left; None: as many as at the beginning."""
        query = "" if octets is None else f"?octets={octets}"
        with urllib.request.urlopen(
            urllib.request.Request(f"https://{self.host}:{self.port}/tests/room{query}", method="POST"),
            context=self.trusted,
            timeout=30,
        ):
            pass

    def vms(self) -> list[Any]:
        view = self.service.content.viewManager.CreateContainerView(
            container=self.service.content.rootFolder, type=[vim.VirtualMachine], recursive=True
        )
        try:
            return list(view.view)
        finally:
            view.Destroy()


def available() -> bool:
    """Whether this machine can build it."""
    return shutil.which("go") is not None and Path(_DEBIANS_GO, "src/github.com/vmware/govmomi").is_dir()


def build(path: Path) -> Path:
    """Build it from Debian's packages and nothing else."""
    environment = {
        "PATH": os.environ["PATH"],
        "GO111MODULE": "off",
        "GOPROXY": "off",
        "GOPATH": _DEBIANS_GO,
        "GOCACHE": str(ROOT / "build/go"),
    }
    subprocess.run(["go", "build", "-o", path, SOURCE], check=True, env=environment, timeout=500)
    return path


@contextmanager
def running(program: Path, place: Path, *options: str) -> Iterator[Centre]:
    """It, with a certificate of an authority of its own, at a port of loopback."""
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    own.private_key_pem.write_to_path(place / "key")
    for blob in own.cert_chain_pems:
        blob.write_to_path(place / "certificate", append=True)
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(trusted)
    uploads = place / "uploads"
    uploads.mkdir()
    files = ("-certificate", place / "certificate", "-key", place / "key", "-uploads", uploads)
    with subprocess.Popen(
        [program, *files, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        host, _, port = process.stdout.readline().strip().rpartition(":")
        service = SmartConnect(host=host, port=int(port), user=USER, pwd=PASSWORD, sslContext=trusted)
        yield Centre(
            host=host,
            port=int(port),
            authority=authority,
            pin=pin_of(own.cert_chain_pems[0].bytes()),
            uploads=uploads,
            service=service,
        )
        Disconnect(service)


def pin_of(pem: bytes) -> str:
    """SHA-256 of the public key of a certificate, in hexadecimal."""
    key = x509.load_pem_x509_certificate(pem).public_key()
    digest = hashes.Hash(hashes.SHA256())
    digest.update(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return digest.finalize().hex()


def ova(place: Path, *, noise: int = 1 << 20, broken: bool = False) -> Path:
    """An OVA like the build's, of a disk of noise and nothing; `broken`: not as its manifest says."""
    raw, disk, path = place / "noise.raw", place / "noise-disk1.vmdk", place / "noise.ova"
    capacity = 2 * noise
    with raw.open("wb") as file:
        for _ in range(noise >> 20):
            file.write(os.urandom(1 << 20))
        file.truncate(capacity)
    stream.write(raw, disk)
    described = ovf.Appliance(
        name="noise", version="1", disk=disk.name, disk_octets=disk.stat().st_size, capacity=capacity
    )
    text = ovf.descriptor((ROOT / "image/appliance.ovf.in").read_text(), described)
    (place / "noise.ovf").write_text(text)
    with disk.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    (place / "noise.mf").write_text(ovf.manifest(((disk.name, "0" * 64 if broken else digest),)))
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("noise.ovf", "noise.mf", disk.name):
            archive.add(place / name, name)
    return path
