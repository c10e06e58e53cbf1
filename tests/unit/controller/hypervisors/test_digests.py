"""The digest of an image: of what the file is now."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from causeway_controller.hypervisors import digests


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


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        digests.sha256(tmp_path / "none")
