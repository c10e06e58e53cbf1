"""The update file: equal inputs give equal bytes, and what is signed is what is checked."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from causeway_agent.slots import installing, signature
from causeway_controller.fleet import update_file as sent
from causeway_wire import codec, update_file
from causeway_wire.problem import ProblemError
from causeway_wire.update import Manifest, Slot
from image import update
from image.workshop import BuildError
from tests import update_files
from tests.fakes.disk import FakeDisk
from tests.update_files import make, receive

ENTRY = "title Causeway (a)\noptions root=PARTUUID=abc rw quiet panic=30\nlinux /causeway/a/linux\n"


def private(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "publisher.key"
    path.write_bytes(private(Ed25519PrivateKey.generate()))
    return path


def test_equal_inputs_give_equal_bytes(tmp_path: Path, key: Path) -> None:
    places = [tmp_path / name for name in ("first", "second")]
    for place in places:
        place.mkdir()
    first, second = (make(place, key=key) for place in places)
    assert first == second
    assert make(places[0], version="3").build != first.build


def test_the_root_file_system_is_for_the_slot_to_say() -> None:
    assert update.options_of(ENTRY) == "rw quiet panic=30"


def test_the_manifest_tells_what_is_in_it(tmp_path: Path) -> None:
    found = codec.decode(make(tmp_path, version="2").manifest, Manifest)
    assert (found.version, found.commit, found.options) == ("2", "commit-2", "rw quiet")
    assert found.members.linux.octets == (tmp_path / "linux").stat().st_size


def test_a_signed_update_is_taken_where_signatures_are_not_asked_for(tmp_path: Path, key: Path) -> None:
    made = make(tmp_path, key=key)
    assert receive(FakeDisk(), made).slots[1].build == made.build


def test_what_the_publisher_signed_is_taken_and_nothing_else(tmp_path: Path, key: Path) -> None:
    public = tmp_path / "publisher.pem"
    text = make(tmp_path).manifest
    signature.verify(text, None, key=public)  # nobody's key, nobody's signature
    public.write_bytes(update.public_key(key))
    signed = make(tmp_path, key=key).content
    there = signed.index(b"manifest.sig") + update_file.BLOCK
    good = signed[there : there + update_file.SIGNATURE_OCTETS]
    signature.verify(text, good, key=public)
    for manifest, signed_with, why in (
        (text, None, "not signed"),
        (text, bytes(64), "not that of this system's publisher"),
        (text + b" ", good, "not that of this system's publisher"),
    ):
        with pytest.raises(ProblemError, match=why):
            signature.verify(manifest, signed_with, key=public)


def test_another_kind_of_key_signs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "other.key"
    path.write_bytes(private(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(BuildError, match="no Ed25519 key"):
        update.public_key(path)


@pytest.mark.parametrize("signed", [True, False])
def test_an_update_under_another_version_is_another_build_of_equal_parts(
    tmp_path: Path,
    key: Path,
    signed: bool,  # noqa: FBT001
) -> None:
    made = make(tmp_path, version="2", key=key if signed else None)
    renamed = update_files.renamed(tmp_path / "causeway-2.update", "3", tmp_path / "other.update")
    told = sent.read(renamed)
    assert (told.manifest.version, told.build != made.build) == ("3", True)
    disk = FakeDisk()
    content = renamed.read_bytes()
    receive(disk, update_files.of(content, content))
    assert installing.status(disk, update_files.HERE).report(Slot.B).build == told.build
