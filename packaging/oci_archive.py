"""An OCI image archive of one layer, of a tree in a tar file: no container engine, equal octets each time.

    packaging/oci_archive.py TREE_TAR IMAGE --version V --architecture A --epoch SECONDS --user UID:GID

Follows the OCI image format 1.0 (image-layout.md, config.md, manifest.md): blobs are named by their digests,
so the manifest vouches for the configuration and the layer, and the index for the manifest.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import shutil
import sys
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
STATE = "/var/lib/causeway"
PORTS = ("8444/tcp", "8445/tcp")
"""Of the API and of tenants' controllers, once the settings say so."""


class _Sink(Protocol):
    def write(self, data: bytes, /) -> int: ...


class _Digesting:
    """Digests what is written through it."""

    def __init__(self, file: _Sink) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.octets = 0

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        self.octets += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Nothing is held back here."""

    @property
    def digest(self) -> str:
        return f"sha256:{self._digest.hexdigest()}"


def write(tree: Path, image: Path, *, version: str, architecture: str, epoch: int, user: str) -> str:
    """Write the archive and return the manifest's digest. `epoch`: when it counts as made, in seconds."""
    with tempfile.TemporaryFile() as layer:
        compressed, plain = _compress(tree, layer)
        config = _json(_config(plain, version=version, architecture=architecture, epoch=epoch, user=user))
        manifest = _json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": _described(CONFIG, config),
                "layers": [{"mediaType": LAYER, "digest": compressed.digest, "size": compressed.octets}],
            }
        )
        named = {"annotations": {"org.opencontainers.image.ref.name": version}}
        index = _json({"schemaVersion": 2, "manifests": [{**_described(MANIFEST, manifest), **named}]})
        with tarfile.open(image, "w", format=tarfile.USTAR_FORMAT) as archive:
            _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}), epoch)
            _add(archive, "index.json", index, epoch)
            for blob in (manifest, config):
                _add(archive, _place(_digest(blob)), blob, epoch)
            layer.seek(0)
            archive.addfile(_entry(_place(compressed.digest), compressed.octets, epoch), layer)
    return _digest(manifest)


def _compress(tree: Path, into: IO[bytes]) -> tuple[_Digesting, _Digesting]:
    """The layer as it is stored, and as it is unpacked: the configuration names the latter."""
    stored = _Digesting(into)
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=stored, mtime=0) as packed:
        plain = _Digesting(packed)
        with tree.open("rb") as source:
            shutil.copyfileobj(source, plain)
    return stored, plain


def _config(layer: _Digesting, *, version: str, architecture: str, epoch: int, user: str) -> dict[str, Any]:
    made = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "created": made,
        "architecture": architecture,
        "os": "linux",
        "config": {
            "User": user,
            "Env": [
                "PATH=/usr/bin:/bin",
                "LANG=C.UTF-8",
                "GLIBC_TUNABLES=glibc.malloc.tcache_count=0",  # as in causeway.service
                # In the volume: engines mount what they like at /run.
                f"CAUSEWAY_SOCKET={STATE}/controller.sock",
            ],
            "Entrypoint": ["/usr/bin/causeway"],
            "Cmd": ["serve"],
            "WorkingDir": STATE,
            "Volumes": {STATE: {}},
            "ExposedPorts": {port: {} for port in PORTS},
            "StopSignal": "SIGTERM",
            "Labels": {
                "org.opencontainers.image.title": "causeway-controller",
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.licenses": "Apache-2.0",
                "org.opencontainers.image.created": made,
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
        "history": [{"created": made, "created_by": "packaging/build_oci"}],
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _described(kind: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": _digest(blob), "size": len(blob)}


def _place(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _add(archive: tarfile.TarFile, name: str, content: bytes, epoch: int) -> None:
    archive.addfile(_entry(name, len(content), epoch), io.BytesIO(content))


def _entry(name: str, octets: int, epoch: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = octets, epoch, 0o644
    return entry


def main(arguments: list[str]) -> int:
    """Write the archive; print the manifest's digest."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--version", required=True)
    parser.add_argument("--architecture", required=True)
    parser.add_argument("--epoch", type=int, required=True)
    parser.add_argument("--user", required=True)
    asked = parser.parse_args(arguments)
    digest = write(
        asked.tree,
        asked.image,
        version=asked.version,
        architecture=asked.architecture,
        epoch=asked.epoch,
        user=asked.user,
    )
    sys.stdout.write(f"{digest}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
