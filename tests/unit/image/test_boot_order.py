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


def test_the_tree_is_left_the_list_that_the_initramfs_reads(tmp_path: Path) -> None:
    libc = tmp_path / "usr/lib/x86_64-linux-gnu/libc.so.6"
    libc.parent.mkdir(parents=True)
    libc.touch()
    name = str(libc.relative_to(tmp_path))
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt/app.pyc").touch()
    order = boot_order.leave(tmp_path, ["opt/app.pyc", "opt/gone.pyc", name], epoch=1_700_000_000)
    assert order == (name, "opt/app.pyc"), "each that is there, once, where it is read first"
    left = tmp_path / boot_order.PLACE
    assert left.read_text() == f"{name}\nopt/app.pyc\n"
    assert left.stat().st_mtime == left.parent.stat().st_mtime == 1_700_000_000


def test_the_initramfs_reads_that_list_and_no_name_in_it_is_two_words() -> None:
    init = boot_order.LIST.parent / "elements/causeway-kernel/static/usr/share/causeway/initramfs/init"
    assert f"cat $(cat {boot_order.PLACE})" in init.read_text()
    lines = [line for line in boot_order.LIST.read_text().splitlines() if not line.startswith("#")]
    assert not [line for line in lines if len(line.split()) != 1]
