"""The image that a host keeps: sent once, copied only as it was sent, and gone with the last appliance."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from causeway_controller.hypervisors.base import unwatched
from causeway_controller.hypervisors.hyperv import vhdx
from causeway_controller.hypervisors.libvirt import volumes
from tests.conformance import kept, kinds
from tests.conformance.kept import KeepingKind
from tests.conformance.killing import killed_half_way
from tests.conformance.kinds import OWNER, LibvirtKind
from tests.conformance.test_full import full
from tests.cutting_proxy import Way

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.timeout(120),
    pytest.mark.parametrize("kind", ["libvirt", "hyperv"], indirect=True),
]

OTHERS = tuple(f"acme-{number}" for number in range(4))


@pytest.mark.shows(operation="deploy", fault="image kept there")
async def test_the_image_is_sent_once_and_each_disk_is_whole_and_its_own(kind: KeepingKind) -> None:
    had, size = kind.there(), kind.image.stat().st_size
    assert await kept.deployed(kind, OWNER) > size
    for owner in OTHERS:
        assert await kept.deployed(kind, owner) < size / 4
    assert len(kept.images(kind)) == 1
    await kept.removed(kind, OTHERS[0])
    for owner in (OWNER, *OTHERS[1:]):
        assert kept.disk(kind, owner) == kind.image.read_bytes()
    await kept.removed(kind, OWNER, *OTHERS[1:])
    assert kind.there() == had


@pytest.mark.shows(operation="deploy", fault="image kept, many at once")
async def test_appliances_of_one_controller_wait_for_one_image(kind: KeepingKind) -> None:
    had, size, provider = kind.there(), kind.image.stat().st_size, kind.provider()
    kind.way.arm(Way.ASKED, 1 << 40)
    specs = [kinds.renamed(kind.spec, owner) for owner in OTHERS]
    await asyncio.gather(*(provider.deploy(spec, unwatched) for spec in specs))
    assert size < kind.way.passed[Way.ASKED] < 2 * size
    for owner in OTHERS:
        assert kept.disk(kind, owner) == kind.image.read_bytes()
    await kept.removed(kind, *OTHERS)
    assert kind.there() == had


@pytest.mark.shows(operation="deploy", fault="image kept, two controllers")
async def test_two_controllers_send_the_image_at_once_and_one_is_kept(kind: KeepingKind) -> None:
    had = kind.there()
    specs = [kinds.renamed(kind.spec, owner) for owner in OTHERS[:2]]
    await asyncio.gather(*(kind.provider().deploy(spec, unwatched) for spec in specs))
    for owner in OTHERS[:2]:
        assert kept.disk(kind, owner) == kind.image.read_bytes()
    assert len(kept.images(kind)) == 1
    await kept.removed(kind, *OTHERS[:2])
    assert kind.there() == had


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
@pytest.mark.shows(operation="deploy", fault="image half sent, controller killed")
async def test_an_image_that_is_half_sent_is_never_copied(
    kind: KeepingKind, part: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    had, size = kind.there(), kind.image.stat().st_size
    await killed_half_way(kind, part)
    half = kept.images(kind)
    assert await kept.deployed(kind, OTHERS[0]) > size
    assert kept.disk(kind, OTHERS[0]) == kind.image.read_bytes()
    assert all(path.exists() for path in half)  # it may be another's upload yet
    kept.age(kind, monkeypatch, *half)
    await kept.deployed(kind, OTHERS[1])
    assert not any(path.exists() for path in half)
    await kept.removed(kind, OWNER, *OTHERS[:2])
    assert kind.there() == had


def _shortened(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(file.seek(-1, os.SEEK_END))


def _changed(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(1000)
        file.write(b"something else")


@pytest.mark.parametrize("damage", [_shortened, _changed, Path.unlink])
@pytest.mark.shows(operation="deploy", fault="image kept, and damaged")
async def test_a_damaged_image_is_not_copied_and_sent_again(
    kind: KeepingKind, damage: Callable[[Path], None]
) -> None:
    had, size = kind.there(), kind.image.stat().st_size
    await kept.deployed(kind, OWNER)
    damage(kept.image(kind))
    assert await kept.deployed(kind, OTHERS[0]) > size
    assert kept.disk(kind, OTHERS[0]) == kind.image.read_bytes()
    assert len(kept.images(kind)) == 1
    assert await kept.deployed(kind, OTHERS[1]) < size / 4
    await kept.removed(kind, OWNER, *OTHERS[:2])
    assert kind.there() == had


@pytest.mark.shows(operation="deploy", fault="image kept of another version")
async def test_an_image_that_another_one_superseded_goes_after_a_while(
    kind: KeepingKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    had = kind.there()
    await kept.deployed(kind, OWNER)
    old = kept.image(kind)
    newer = tmp_path / f"newer{kind.image.suffix}"
    newer.write_bytes(kind.image.read_bytes() + b"newer")
    kind.image = newer
    await kept.deployed(kind, OTHERS[0])
    assert old.exists()  # an older controller may be at work
    kept.age(kind, monkeypatch, *kept.place(kind).glob(f"{old.name}*"))
    await kept.deployed(kind, OTHERS[1])
    assert kept.disk(kind, OTHERS[1]) == newer.read_bytes()
    assert not old.exists()
    assert len(kept.images(kind)) == 1
    await kept.removed(kind, OWNER, *OTHERS[:2])
    assert kind.there() == had


@pytest.mark.shows(operation="deploy", fault="image kept: no room for it")
async def test_without_room_for_the_image_the_disk_itself_is_sent(kind: KeepingKind) -> None:
    had, size = kind.there(), kind.image.stat().st_size
    capacity = volumes.disk_size if isinstance(kind, LibvirtKind) else vhdx.capacity
    for owner in OTHERS[:2]:
        with full(kind, capacity(kind.image) + size // 2):
            assert await kept.deployed(kind, owner) > size
    assert kept.images(kind) == []
    for owner in OTHERS[:2]:
        assert kept.disk(kind, owner) == kind.image.read_bytes()
    await kept.removed(kind, *OTHERS[:2])
    assert kind.there() == had


async def test_the_image_goes_with_the_last_appliance_and_not_before(kind: KeepingKind) -> None:
    had = kind.there()
    for owner in OTHERS[:2]:
        await kept.deployed(kind, owner)
    await kept.removed(kind, OTHERS[0])
    assert len(kept.images(kind)) == 1
    await kept.removed(kind, OTHERS[1])
    assert kind.there() == had


async def test_a_machine_without_a_seed_is_copied_too(kind: KeepingKind) -> None:
    had = kind.there()
    await kept.deployed(kind, OWNER)
    await kind.provider().deploy(replace(kinds.renamed(kind.spec, OTHERS[0]), seed=b""), unwatched)
    assert kept.disk(kind, OTHERS[0]) == kind.image.read_bytes()
    await kept.removed(kind, OWNER)
    assert len(kept.images(kind)) == 1
    await kept.removed(kind, OTHERS[0])
    assert kind.there() == had
