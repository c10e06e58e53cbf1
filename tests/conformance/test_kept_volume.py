"""The image that a libvirt host keeps as a volume: what is in it, and what says that it is whole."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from causeway_controller.hypervisors import digests
from causeway_controller.hypervisors.base import HypervisorError, unwatched
from causeway_controller.hypervisors.libvirt import domain, images, volumes
from tests.conformance import kept
from tests.conformance.kinds import OWNER, LibvirtKind

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.timeout(60),
    pytest.mark.parametrize("kind", ["libvirt"], indirect=True),
]

OTHER = "acme-other"


async def test_the_image_is_no_disk_that_anything_starts_from(kind: LibvirtKind) -> None:
    await kept.deployed(kind, OWNER)
    content = kind.image.read_bytes()
    assert kept.image(kind).read_bytes() == bytes(4) + content[4:]
    assert digests.sha256(kind.image) in kept.image(kind).name


async def test_a_damaged_mark_makes_no_image_whole(kind: LibvirtKind) -> None:
    await kept.deployed(kind, OWNER)
    (mark,) = (path for path in kind.daemon.pool.glob(kept.NAMES) if "." in path.name)
    mark.rename(mark.with_name(f"{mark.name}1"))
    assert await kept.deployed(kind, OTHER) > kind.image.stat().st_size
    await kept.removed(kind, OTHER)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
async def test_an_image_that_goes_while_it_is_to_be_copied_is_missed_by_nobody(
    kind: LibvirtKind, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kept.deployed(kind, OWNER)
    copy = images.copy

    def gone(connection: Any, pool: Any, one: Any, name: str) -> Any:
        if when == "meanwhile":
            kept.image(kind).unlink()
            pool.refresh()
        else:
            one.delete()
        return copy(connection, pool, one, name)

    monkeypatch.setattr(images, "copy", gone)
    assert await kept.deployed(kind, OTHER) > kind.image.stat().st_size
    assert kept.disk(kind, OTHER) == kind.image.read_bytes()
    await kept.removed(kind, OTHER)


@pytest.mark.shows(operation="deploy", fault="image half copied, service killed")
async def test_a_disk_that_is_half_copied_belongs_to_no_machine(
    kind: LibvirtKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy has all its octets from its first moment on, written or not."""
    had = kind.there()
    await kept.deployed(kind, OWNER)

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
            await kept.deployed(kind, OTHER)
    assert await kind.direct().find(OTHER) is None
    await kept.deployed(kind, OTHER)
    assert kept.disk(kind, OTHER) == kind.image.read_bytes()
    await kept.removed(kind, OWNER, OTHER)
    assert kind.there() == had


async def test_a_beginning_that_the_host_did_not_write_is_noticed(
    kind: LibvirtKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    had = kind.there()
    monkeypatch.setattr(volumes, "overwrite", lambda *_: None)
    with pytest.raises(HypervisorError, match="did not write the beginning of volume"):
        await kind.provider().deploy(kind.spec, unwatched)
    assert kind.there() == had


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
