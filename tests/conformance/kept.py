"""The image that a host keeps, looked at from inside of the host."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from causeway_controller.hypervisors.base import unwatched
from causeway_controller.hypervisors.hyperv import deployment
from causeway_controller.hypervisors.libvirt import domain, volumes
from tests.conformance import kinds
from tests.conformance.kinds import OWNER, HypervKind, LibvirtKind
from tests.cutting_proxy import Way

KeepingKind = LibvirtKind | HypervKind
"""A host that keeps one."""
NAMES = "causeway-image-*"


def place(kind: KeepingKind) -> Path:
    """Where it keeps it, and what disks are below."""
    if isinstance(kind, LibvirtKind):
        return kind.daemon.pool
    return kind.host.windows.root / "Cloud_Connect_Replication"


def images(kind: KeepingKind) -> list[Path]:
    """All that it keeps, whole or not."""
    marks = "." if isinstance(kind, LibvirtKind) else "/"
    return [path for path in place(kind).glob(NAMES) if marks not in path.name]


def image(kind: KeepingKind) -> Path:
    """The one that it keeps."""
    (path,) = images(kind)
    return path


def disk(kind: KeepingKind, owner: str = OWNER) -> bytes:
    """What is in the machine's one disk."""
    names = (
        f"causeway-{domain.identity(owner)}-*.qcow2"
        if isinstance(kind, LibvirtKind)
        else f"{owner}-????????/disk.vhdx"
    )
    (path,) = place(kind).glob(names)
    return path.read_bytes()


def age(kind: KeepingKind, monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    """Have it be long ago that these were written; on Hyper-V all, where a file was made when it was made."""
    if isinstance(kind, HypervKind):
        monkeypatch.setattr(deployment, "ABANDONED_SECONDS", -60.0)
        return
    old = time.time() - volumes.ABANDONED_SECONDS - 60
    for path in paths:
        os.utime(path, (old, old))


async def deployed(kind: KeepingKind, owner: str) -> int:
    """Deploy another appliance, as a controller that begins now; how many octets it sent."""
    kind.way.arm(Way.ASKED, 1 << 40)
    await kind.provider().deploy(kinds.renamed(kind.spec, owner), unwatched)
    return kind.way.passed[Way.ASKED]


async def removed(kind: KeepingKind, *owners: str) -> None:
    for owner in owners:
        await kind.direct().destroy(owner)
