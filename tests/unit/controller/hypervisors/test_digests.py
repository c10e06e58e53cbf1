"""The digest of an image: of what the file is now."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from causeway_controller.hypervisors import digests
from causeway_controller.hypervisors.base import HypervisorError


def test_a_file_that_is_another_one_has_another_digest(tmp_path: Path) -> None:
    path = tmp_path / "image"
    for content in (b"one", b"two", b"three"):
        path.write_bytes(content)
        os.utime(path, ns=(0, len(content) + content[0]))
        assert digests.sha256(path) == hashlib.sha256(content).hexdigest()


def test_a_file_that_stays_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"one")
    first = digests.sha256(path)
    monkeypatch.setattr(Path, "open", None)
    assert digests.sha256(path) == first


@pytest.mark.parametrize("ending", [".qcow2", ".ova"])
def test_an_image_beside_a_release_s_sums_is_one_of_its_images(tmp_path: Path, ending: str) -> None:
    image = tmp_path / f"appliance{ending}"
    image.write_bytes(b"whole")
    digests.check(image)
    sums = tmp_path / digests.SUMS
    sums.write_text(f"{'0' * 64}  causeway-1.2.update\nno line of it\n")
    digests.check(image)
    sums.write_text(
        f"{hashlib.sha256(b'whole').hexdigest()} *causeway-1.2{ending}\n{'0' * 64}  causeway-1.2.update\n"
    )
    digests.check(image)
    image.write_bytes(b"who")
    with pytest.raises(
        HypervisorError, match=f"appliance{ending} is none of the images in SHA256SUMS beside it"
    ):
        digests.check(image)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        digests.sha256(tmp_path / "none")
