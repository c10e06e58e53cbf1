"""The hash tree, and who looks for what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from image import disk, layout, update, verity
from image.workshop import ROOT

INIT = ROOT / "image/elements/causeway-kernel/static/usr/share/causeway/initramfs/init"
BLOCK = verity.BLOCK
# Of cryptsetup's veritysetup(8): `format --no-superblock --salt=- --hash-offset=OCTETS` on the same octets.
KNOWN = {
    200: "32643345224b956c8910c5c2cc37ca1ae5d8ab2e982ac63e16850a92a2705ae7",
    20_000: "22d8bc221173556764898306f2581f3bf7b0210ac349b8b79f97c2e2bae8de56",
}


def content(blocks: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") * (BLOCK // 4) for number in range(blocks))


@pytest.mark.parametrize(("blocks", "root"), KNOWN.items())
def test_the_tree_is_the_one_that_the_kernel_reckons_with(tmp_path: Path, blocks: int, root: str) -> None:
    image = tmp_path / "root.img"
    image.write_bytes(content(blocks))
    assert verity.append(image) == verity.Tree(blocks, root)
    assert image.read_bytes()[: blocks * BLOCK] == content(blocks)


def test_its_levels_follow_the_data_the_highest_first(tmp_path: Path) -> None:
    image = tmp_path / "root.img"
    image.write_bytes(content(20_000))
    verity.append(image)
    lowest = -(-20_000 // 128)
    assert image.stat().st_size == (20_000 + 1 + -(-lowest // 128) + lowest) * BLOCK


def test_an_image_is_padded_to_whole_blocks(tmp_path: Path) -> None:
    odd, even = tmp_path / "odd.img", tmp_path / "even.img"
    odd.write_bytes(content(3)[:-100] + bytes(1))
    even.write_bytes(odd.read_bytes().ljust(3 * BLOCK, b"\0"))
    assert verity.append(odd) == verity.append(even)
    assert odd.read_bytes() == even.read_bytes()


def test_the_loader_entry_names_it_and_the_update_carries_it_on(tmp_path: Path) -> None:
    entry = tmp_path / "a.conf"
    entry.write_text("title x\noptions root=PARTUUID=y quiet\nlinux /z\n")
    option = verity.Tree(7, "ab" * 32).option
    disk.add_option(entry, option)
    assert entry.read_text() == f"title x\noptions root=PARTUUID=y quiet {option}\nlinux /z\n"
    assert update.options_of(entry.read_text()) == f"quiet {option}"


def test_the_initramfs_knows_the_slots_and_the_option() -> None:
    text = INIT.read_text()
    known = dict(re.findall(r"root=PARTUUID=([0-9a-f-]{36})\) slot=(\S+) ;;", text))
    assert known == {part.uuid: part.name for part in (layout.ROOT_A, layout.ROOT_B)}
    assert f"partition {layout.STATE.name})" in text
    assert f" {verity.OPTION}=*)" in text
