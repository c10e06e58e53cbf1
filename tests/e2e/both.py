"""Both sites of the end-to-end run: each has a controller and a libvirt host of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from causeway_lab.qemu import acceleration
from causeway_lab.service.two_controllers import TwoControllers
from tests.e2e import inventory, site
from tests.e2e.site import TENANT, Ground
from tests.libvirtd import POOL, Libvirtd


@dataclass(frozen=True)
class Both:
    """Strangers to each other still."""

    ground: Ground
    own_host: Libvirtd
    """The tenant's."""
    controllers: TwoControllers

    async def propose(self) -> dict[str, Any]:
        """The proposal of the tenant's appliances, which is in force there now."""
        return await self.controllers.propose(
            lambda one: inventory.completed(one, self.ground.world, self.own_host.uri, POOL)
        )


@asynccontextmanager
async def built(image: Path, place: Path) -> AsyncIterator[Both]:
    """Build them in a sandbox, whose end ends all of it. `place`: an empty directory with a short path."""
    chosen = await acceleration.choose()
    async with site.ground(image, place) as ground, AsyncExitStack() as stack:
        own_host = await site.started(stack, place / "t", chosen.name)
        (place / "c").mkdir()
        controllers = TwoControllers(TENANT, place / "c", **ground.means)
        await controllers.begin(stack)
        await controllers.apply(controllers.provider, ground.inventory)
        yield Both(ground, own_host, controllers)
