"""The appliances, by the command line of their controller."""

from __future__ import annotations

import asyncio
import time
import xml.etree.ElementTree as ET
from collections.abc import Awaitable
from typing import Any, Final

from causeway_controller.hypervisors.libvirt import domain
from causeway_lab.assembly.lab import LabError
from causeway_lab.demo.claims import Ledger, require
from causeway_lab.service.controllers import Controller
from tests.libvirtd import Libvirtd

BOOT_SECONDS: Final = 1800.0
_HEALTHY: Final = "healthy"
_REPEAT: Final = "repeat it to go on"
"""What a deployment says that has waited long enough for a machine that still boots."""
_LOOK_SECONDS: Final = 1.0


async def run_of(controller: Controller, *words: str) -> float:
    """How long the run took that this command begins. Raises LabError with all that the run says."""
    began = time.monotonic()
    try:
        await controller.ask(*words)
    except LabError as error:
        newest, *_ = await controller.ask_json("run", "list")
        raise LabError(await controller.ask("run", "show", newest["id"], ok=(0, 4))) from error
    return time.monotonic() - began


async def seconds_of(act: Awaitable[object]) -> float:
    """How long it takes."""
    began = time.monotonic()
    await act
    return time.monotonic() - began


class Fleet:
    """The appliances of one controller on its one host."""

    def __init__(self, controller: Controller, host: Libvirtd, ledger: Ledger) -> None:
        self._controller = controller
        self._host = host
        self._ledger = ledger

    async def checked(self, host: str) -> str:
        said = await self._controller.ask_json("host", "check", host, ok=(0, 1))
        stops = [one["text"] for one in said["findings"] if one["grade"] == "problem"]
        require(not stops, "; ".join(stops))
        good = [one["text"] for one in said["findings"] if one["grade"] == "good"]
        return "; ".join(good)

    async def deployed(self, *words: str) -> str:
        return f"{' '.join(words)} in {await self._deploy(*words):.0f} s"

    async def securely(self) -> str:
        loaders = []
        for described in await asyncio.to_thread(self._host.ask, _ours):
            loader = ET.fromstring(described).find("os/loader")  # noqa: S314 - our own daemon's
            require(loader is not None and loader.get("secure") == "yes", "its loader is not secure")
            loaders.append("" if loader is None else str(loader.text))
        return ", ".join(loaders)

    async def healthy(self) -> str:
        while True:
            found = await self._controller.ask_json("appliance", "list", ok=(0, 1))
            conditions = {one["appliance"]: one["condition"] for one in found["appliances"]}
            if conditions and set(conditions.values()) == {_HEALTHY}:
                return ", ".join(conditions)
            await asyncio.sleep(_LOOK_SECONDS)

    async def again(self, *words: str) -> str:
        before = self._volumes()
        seconds = await seconds_of(self.deployed(*words))
        require(self._volumes() == before, "there are other volumes")
        return f"in {seconds:.0f} s; {len(before)} volumes as before"

    async def _deploy(self, *words: str) -> float:
        began, tries = time.monotonic(), 0
        while True:
            tries += 1
            try:
                await self._controller.ask(*words)
            except LabError as error:
                if _REPEAT not in str(error) and "TimeoutError" not in str(error):
                    raise
                waited = time.monotonic() - began
                self._ledger.note(f"{' '.join(words)}: boots for {waited:.0f} s; repeated")
            else:
                return time.monotonic() - began

    def _volumes(self) -> list[str]:
        return sorted(one.name for one in self._host.pool.iterdir())


def _ours(connection: Any) -> list[str]:
    described = [one.XMLDesc() for one in connection.listAllDomains()]
    return [one for one in described if domain.owner(one) is not None]
