"""A controller that deploys and is killed meanwhile: `python -m tests.conformance.deploying SOCKET IMAGE`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from causeway_controller.hypervisors.base import unwatched
from causeway_controller.hypervisors.libvirt import binding
from causeway_controller.hypervisors.libvirt.domain import Hardware
from causeway_controller.hypervisors.libvirt.provider import LibvirtProvider
from causeway_controller.hypervisors.libvirt.session import Session
from tests.conformance.kinds import spec
from tests.libvirtd import POOL


async def main(socket: str, image: str) -> None:
    """Deploy, and then wait for the end."""
    session = Session("kvm1", lambda: binding.load().open(f"qemu+unix:///system?socket={socket}"))
    provider = LibvirtProvider(
        host="kvm1",
        session=session,
        pool=POOL,
        image=Path(image),
        hardware=Hardware(mebibytes=16, domain="qemu"),
    )
    await provider.deploy(spec(("left", "bridge:cw-right")), unwatched)
    await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
