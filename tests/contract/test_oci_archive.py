"""The controller's image is what the OCI image format asks for, octet by octet the same each time."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import runpy
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[2] / "packaging/oci_archive.py"
EPOCH = 1_700_000_000


@pytest.fixture
def write() -> Callable[..., str]:
    found: Callable[..., str] = runpy.run_path(str(PROGRAM))["write"]
    return found


def tree(tmp_path: Path) -> Path:
    made = tmp_path / "tree.tar"
    with tarfile.open(made, "w") as archive:
        entry = tarfile.TarInfo("usr/bin/causeway")
        entry.size = 5
        archive.addfile(entry, io.BytesIO(b"hello"))
    return made


def made(write: Callable[..., str], tmp_path: Path, name: str) -> tuple[Path, str]:
    image = tmp_path / name
    asked: dict[str, Any] = {"version": "1.2", "architecture": "amd64", "epoch": EPOCH, "user": "901:901"}
    return image, write(tree(tmp_path), image, **asked)


def test_every_blob_has_the_digest_that_it_is_named_by(write: Callable[..., str], tmp_path: Path) -> None:
    image, digest = made(write, tmp_path, "image")
    with tarfile.open(image) as archive:
        content = {name: archive.extractfile(name).read() for name in archive.getnames()}  # type: ignore[union-attr] # files only
    assert json.loads(content["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    for name, blob in content.items():
        if name.startswith("blobs/"):
            assert name == f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}"
    (described,) = json.loads(content["index.json"])["manifests"]
    assert described["digest"] == digest
    manifest = json.loads(content[place(described)])
    config = json.loads(content[place(manifest["config"])])
    (layer,) = manifest["layers"]
    stored = content[place(layer)]
    assert (layer["size"], len(described)) == (len(stored), 4)
    plain = gzip.decompress(stored)
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(plain).hexdigest()}"]
    assert plain == tree(tmp_path).read_bytes()
    assert config["config"]["User"] == "901:901"
    assert config["config"]["Entrypoint"] + config["config"]["Cmd"] == ["/usr/bin/causeway", "serve"]
    assert config["created"] == "2023-11-14T22:13:20Z"


def place(described: dict[str, Any]) -> str:
    return "blobs/" + str(described["digest"]).replace(":", "/")


def test_it_is_the_same_each_time(write: Callable[..., str], tmp_path: Path) -> None:
    first, second = (made(write, tmp_path, name)[0] for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
