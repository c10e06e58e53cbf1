"""The image that a host keeps: sent once, whole or not used, and gone with the last appliance."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from causeway_controller.hypervisors import digests
from causeway_controller.hypervisors.base import HypervisorError, unwatched
from causeway_controller.hypervisors.libvirt import domain, images, volumes
from tests.conformance import kinds, volatile
from tests.conformance.killing import killed_half_way
from tests.conformance.kinds import OWNER, LibvirtKind
from tests.cutting_proxy import Way

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.timeout(60),
    pytest.mark.parametrize("kind", ["libvirt"], indirect=True),
]

OTHERS = tuple(f"acme-{number}" for number in range(4))


def kept(kind: LibvirtKind) -> dict[str, bool]:
    """Volumes of images there, and whether each is a mark."""
    return {path.name: "." in path.name for path in kind.daemon.pool.glob(f"{images.PREFIX}*")}


def image(kind: LibvirtKind) -> Path:
    """The file that is the one image there."""
    (name,) = (name for name, mark in kept(kind).items() if not mark)
    return kind.daemon.pool / name


def disk(kind: LibvirtKind, owner: str = OWNER) -> bytes:
    """What is in the machine's one disk."""
    (path,) = kind.daemon.pool.glob(f"causeway-{domain.identity(owner)}-*.qcow2")
    return path.read_bytes()


async def deployed(kind: LibvirtKind, owner: str) -> int:
    """Deploy another appliance, as a controller that begins now; how many octets it sent."""
    kind.proxy.arm(Way.ASKED, 1 << 40)
    await kind.provider().deploy(kinds.renamed(kind.spec, owner), unwatched)
    return kind.proxy.passed[Way.ASKED]


async def removed(kind: LibvirtKind, *owners: str) -> None:
    for owner in owners:
        await kind.direct().destroy(owner)


@pytest.mark.shows(operation="deploy", fault="image kept there")
async def test_the_image_is_sent_once_and_each_disk_is_whole_and_its_own(kind: LibvirtKind) -> None:
    had, size = kind.there(), kind.image.stat().st_size
    assert await deployed(kind, OWNER) > size
    for owner in OTHERS:
        assert await deployed(kind, owner) < size / 4
    assert len(kept(kind)) == len(("image", "mark"))
    await removed(kind, OTHERS[0])
    for owner in (OWNER, *OTHERS[1:]):
        assert disk(kind, owner) == kind.image.read_bytes()
    await removed(kind, OWNER, *OTHERS[1:])
    assert kind.there() == had


async def test_the_image_is_no_disk_that_anything_starts_from(kind: LibvirtKind) -> None:
    await deployed(kind, OWNER)
    content = kind.image.read_bytes()
    assert image(kind).read_bytes() == bytes(4) + content[4:]
    assert digests.sha256(kind.image) in image(kind).name


@pytest.mark.shows(operation="deploy", fault="image kept, many at once")
async def test_appliances_of_one_controller_wait_for_one_image(kind: LibvirtKind) -> None:
    had, size, provider = kind.there(), kind.image.stat().st_size, kind.provider()
    kind.proxy.arm(Way.ASKED, 1 << 40)
    specs = [kinds.renamed(kind.spec, owner) for owner in OTHERS]
    await asyncio.gather(*(provider.deploy(spec, unwatched) for spec in specs))
    assert size < kind.proxy.passed[Way.ASKED] < 2 * size
    for owner in OTHERS:
        assert disk(kind, owner) == kind.image.read_bytes()
    await removed(kind, *OTHERS)
    assert kind.there() == had


@pytest.mark.shows(operation="deploy", fault="image kept, two controllers")
async def test_two_controllers_send_the_image_at_once_and_one_is_kept(kind: LibvirtKind) -> None:
    had = kind.there()
    specs = [kinds.renamed(kind.spec, owner) for owner in OTHERS[:2]]
    await asyncio.gather(*(kind.provider().deploy(spec, unwatched) for spec in specs))
    for owner in OTHERS[:2]:
        assert disk(kind, owner) == kind.image.read_bytes()
    assert len(kept(kind)) == len(("image", "mark"))
    await removed(kind, *OTHERS[:2])
    assert kind.there() == had


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
@pytest.mark.shows(operation="deploy", fault="image half sent, controller killed")
async def test_an_image_that_is_half_sent_is_never_copied(kind: LibvirtKind, part: float) -> None:
    had, size = kind.there(), kind.image.stat().st_size
    await killed_half_way(kind, part)
    (half,) = kept(kind)
    assert await deployed(kind, OTHERS[0]) > size
    assert disk(kind, OTHERS[0]) == kind.image.read_bytes()
    path = kind.daemon.pool / half
    assert path.exists()  # it may be another's upload yet
    _age(path)
    await deployed(kind, OTHERS[1])
    assert not path.exists()
    await removed(kind, OWNER, *OTHERS[:2])
    assert kind.there() == had


def _age(*paths: Path) -> None:
    """Nobody wrote into it for long."""
    old = time.time() - volumes.ABANDONED_SECONDS - 60
    for path in paths:
        os.utime(path, (old, old))


def _shortened(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(file.seek(-1, os.SEEK_END))


def _changed(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(1000)
        file.write(b"something else")


@pytest.mark.parametrize("damage", [_shortened, _changed, Path.unlink])
@pytest.mark.shows(operation="deploy", fault="image kept, and damaged")
async def test_a_damaged_image_is_not_copied_and_sent_again(kind: LibvirtKind, damage: Any) -> None:
    had, size = kind.there(), kind.image.stat().st_size
    await deployed(kind, OWNER)
    damage(image(kind))
    assert await deployed(kind, OTHERS[0]) > size
    assert disk(kind, OTHERS[0]) == kind.image.read_bytes()
    assert len(kept(kind)) == len(("image", "mark"))
    assert await deployed(kind, OTHERS[1]) < size / 4
    await removed(kind, OWNER, *OTHERS[:2])
    assert kind.there() == had


async def test_a_damaged_mark_makes_no_image_whole(kind: LibvirtKind) -> None:
    await deployed(kind, OWNER)
    (mark,) = (kind.daemon.pool / name for name, is_mark in kept(kind).items() if is_mark)
    mark.rename(mark.with_name(f"{mark.name}1"))
    assert await deployed(kind, OTHERS[0]) > kind.image.stat().st_size
    await removed(kind, OTHERS[0])


@pytest.mark.shows(operation="deploy", fault="image kept of another version")
async def test_an_image_that_another_one_superseded_goes_after_a_while(
    kind: LibvirtKind, tmp_path: Path
) -> None:
    had = kind.there()
    await deployed(kind, OWNER)
    old = image(kind)
    newer = tmp_path / "newer.qcow2"
    newer.write_bytes(kind.image.read_bytes() + b"newer")
    kind.image = newer
    await deployed(kind, OTHERS[0])
    assert old.exists()  # an older controller may be at work
    _age(*(kind.daemon.pool / name for name in kept(kind) if name.startswith(old.name)))
    await deployed(kind, OTHERS[1])
    assert disk(kind, OTHERS[1]) == newer.read_bytes()
    assert not old.exists()
    assert len(kept(kind)) == len(("image", "mark"))
    await removed(kind, OWNER, *OTHERS[:2])
    assert kind.there() == had


@pytest.mark.shows(operation="deploy", fault="image kept: no room for it")
async def test_without_room_for_the_image_the_disk_itself_is_sent(kind: LibvirtKind) -> None:
    had, size = kind.there(), kind.image.stat().st_size
    room = volumes.disk_size(kind.image) + size // 2
    try:
        volatile.leave(kind.daemon.pool, room)
        assert await deployed(kind, OWNER) > size
    finally:
        volatile.leave(kind.daemon.pool, None)
    assert not kept(kind)
    assert disk(kind) == kind.image.read_bytes()
    await removed(kind, OWNER)
    assert kind.there() == had


@pytest.mark.parametrize("when", ["before", "meanwhile"])
async def test_an_image_that_goes_while_it_is_to_be_copied_is_missed_by_nobody(
    kind: LibvirtKind, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployed(kind, OWNER)
    copy = images.copy

    def gone(connection: Any, pool: Any, one: Any, name: str) -> Any:
        if when == "meanwhile":
            image(kind).unlink()
            pool.refresh()
        else:
            one.delete()
        return copy(connection, pool, one, name)

    monkeypatch.setattr(images, "copy", gone)
    assert await deployed(kind, OTHERS[0]) > kind.image.stat().st_size
    assert disk(kind, OTHERS[0]) == kind.image.read_bytes()
    await removed(kind, OTHERS[0])


@pytest.mark.shows(operation="deploy", fault="image half copied, service killed")
async def test_a_disk_that_is_half_copied_belongs_to_no_machine(
    kind: LibvirtKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy has all its octets from its first moment on, written or not."""
    had = kind.there()
    await deployed(kind, OWNER)

    def half(_connection: Any, pool: Any, _one: Any, name: str) -> Any:
        copied = kind.daemon.pool / name
        copied.write_bytes(bytes(4) + kind.image.read_bytes()[4:1000])
        os.truncate(copied, kind.image.stat().st_size)
        kind.daemon.kill()
        kind.daemon.start()
        return pool.refresh()

    with monkeypatch.context() as patched:
        patched.setattr(images, "copy", half)
        with pytest.raises(HypervisorError):
            await deployed(kind, OTHERS[0])
    assert await kind.direct().find(OTHERS[0]) is None
    await deployed(kind, OTHERS[0])
    assert disk(kind, OTHERS[0]) == kind.image.read_bytes()
    await removed(kind, OWNER, OTHERS[0])
    assert kind.there() == had


async def test_a_beginning_that_the_host_did_not_write_is_noticed(
    kind: LibvirtKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    had = kind.there()
    monkeypatch.setattr(volumes, "overwrite", lambda *_: None)
    with pytest.raises(HypervisorError, match="did not write the beginning of volume"):
        await kind.provider().deploy(kind.spec, unwatched)
    assert {name for name in kind.there() - had if not name.startswith(f"volume {images.PREFIX}")} == set()


async def test_a_machine_without_a_seed_has_its_disk_and_nothing_else(kind: LibvirtKind) -> None:
    await kind.provider().deploy(replace(kind.spec, seed=b""), unwatched)
    there = [path.suffix for path in kind.daemon.pool.glob(f"causeway-{domain.identity(OWNER)}-*")]
    assert there == [".qcow2"]


async def test_a_file_that_changes_while_it_is_sent_is_not_kept(
    kind: LibvirtKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    had = kind.there()
    monkeypatch.setattr(digests, "sha256", lambda _: "0" * 64)
    with pytest.raises(HypervisorError, match="was changed while it was sent"):
        await kind.provider().deploy(kind.spec, unwatched)
    assert kind.there() == had
