"""The order in which a start reads files."""

from __future__ import annotations

from pathlib import Path

from image import boot_order


def test_versions_may_differ_and_what_is_not_there_is_left_out(tmp_path: Path) -> None:
    for name in ("usr/lib/modules/6.12/kernel/tun.ko", "usr/lib/libc.so.6", "usr/bin/nft"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    lines = ["# read first", "usr/bin/nft", "usr/lib/modules/*/kernel/tun.ko", "usr/lib/gone", "usr/bin/nft"]
    assert boot_order.paths(tmp_path, lines) == ["usr/bin/nft", "usr/lib/modules/6.12/kernel/tun.ko"]


def test_the_list_is_of_files_below_the_root_and_names_none_twice() -> None:
    lines = [line for line in boot_order.LIST.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == len(set(lines)) > 100
    assert not [line for line in lines if line.startswith("/") or ".." in line]
