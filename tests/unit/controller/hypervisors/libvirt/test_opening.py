"""Certificates out of a login's secret, and images that are none."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.hypervisors.libvirt import opening, volumes
from causeway_wire.types import Secret


def block(what: str, text: str) -> str:
    return f"-----BEGIN {what}-----\n{text}\n-----END {what}-----\n"


OURS, KEY = block("CERTIFICATE", "b3Vycw=="), block("PRIVATE KEY", "a2V5")
FIRST, SECOND = block("CERTIFICATE", "Zmlyc3Q="), block("CERTIFICATE", "c2Vjb25k")


def test_our_certificate_comes_first_and_authorities_after_it() -> None:
    found = opening.certificates(Secret(f"about this host\n{OURS}{KEY}{FIRST}{SECOND}"))
    assert found == {
        "clientcert.pem": OURS.strip(),
        "clientkey.pem": KEY.strip(),
        "cacert.pem": f"{FIRST.strip()}\n{SECOND.strip()}",
    }


@pytest.mark.parametrize("text", ["", OURS, OURS + KEY, KEY + KEY + OURS + FIRST, OURS + FIRST])
def test_what_lacks_a_part_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match=r"our certificate, its key, and the authority") as refused:
        opening.certificates(Secret(text))
    assert "a2V5" not in str(refused.value)


def test_the_size_of_the_disk_is_the_images_not_the_files(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(struct.pack(">4sIQIIQ", b"QFI\xfb", 3, 0, 0, 16, 3 << 30) + bytes(512))
    assert volumes.disk_size(path) == 3 << 30


@pytest.mark.parametrize(
    "head",
    [b"", b"QFI\xfb", bytes(4096), struct.pack(">4sIQIIQ", b"QFI\xfb", 3, 512, 9, 16, 3 << 30)],
    ids=["empty", "short", "raw", "over another file"],
)
def test_what_is_no_image_is_refused_before_anything_is_sent(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "image"
    path.write_bytes(head)
    with pytest.raises(HypervisorError, match=r"appliances.image names"):
        volumes.disk_size(path)
    with pytest.raises(HypervisorError, match="cannot be read"):
        volumes.disk_size(tmp_path / "none")
