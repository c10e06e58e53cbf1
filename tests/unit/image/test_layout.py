"""The disk's layout."""

from __future__ import annotations

from itertools import pairwise

from image import layout


def test_partitions_follow_each_other_and_fit_the_disk() -> None:
    starts = layout.starts()
    ends = {part.name: starts[part.name] + part.mebibytes for part in layout.PARTITIONS}
    for one, other in pairwise(layout.PARTITIONS):
        assert ends[one.name] == starts[other.name]
    assert starts["esp"] == 1
    assert max(ends.values()) < layout.disk_mebibytes()


def test_both_slots_have_the_same_size() -> None:
    assert layout.ROOT_A.mebibytes == layout.ROOT_B.mebibytes


def test_no_identifier_is_used_twice() -> None:
    used = [part.uuid for part in layout.PARTITIONS] + [
        part.file_system for part in layout.PARTITIONS if part.file_system
    ]
    assert len({*used, layout.DISK_UUID}) == len(used) + 1


def test_a_partition_without_an_image_stays_empty() -> None:
    config = layout.genimage_config(disk="d.raw", images={"esp": "esp.img", "root-a": "a.img"})
    slot_b = config.partition("partition root-b {")[2].partition("}")[0]
    assert "image" not in slot_b
    assert layout.ROOT_B.uuid in slot_b


def test_only_the_esp_is_bootable_by_bios() -> None:
    config = layout.genimage_config(disk="d.raw", images={})
    assert config.count("bootable = true") == 1
    assert "bootable" in config.partition("partition esp {")[2].partition("}")[0]
