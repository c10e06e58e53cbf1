"""Who numbers documents: a counter per appliance that only grows, on disk before a number is used."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

import msgspec

from causeway_controller import files
from causeway_controller.errors import StoreError
from causeway_wire.types import ApplianceId, Generation


class GenerationBook(Protocol):
    """Counters of document generations."""

    async def next(self, appliance: ApplianceId) -> Generation:
        """A generation never handed out before for this appliance."""

    async def at_least(self, appliance: ApplianceId, generation: Generation) -> None:
        """From now on `next` returns more than this: the appliance has seen it."""


class MemoryBook:
    """Counters of one process."""

    def __init__(self) -> None:
        self._last: dict[ApplianceId, Generation] = {}

    async def next(self, appliance: ApplianceId) -> Generation:
        self._last[appliance] = self._last.get(appliance, 0) + 1
        return self._last[appliance]

    async def at_least(self, appliance: ApplianceId, generation: Generation) -> None:
        self._last[appliance] = max(generation, self._last.get(appliance, 0))


class FileBook:
    """Counters in a JSON file, for one controller process at a time."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError when the file exists and cannot be read."""
        self._path = path
        self._lock = asyncio.Lock()
        try:
            self._last = msgspec.json.decode(path.read_bytes(), type=dict[ApplianceId, Generation])
        except FileNotFoundError:
            self._last = {}
        except (OSError, msgspec.DecodeError) as error:
            raise StoreError(f"cannot read the generations in {path}: {error}") from error

    async def next(self, appliance: ApplianceId) -> Generation:
        async with self._lock:
            generation = self._last.get(appliance, 0) + 1
            await self._store(appliance, generation)
            return generation

    async def at_least(self, appliance: ApplianceId, generation: Generation) -> None:
        async with self._lock:
            if generation > self._last.get(appliance, 0):
                await self._store(appliance, generation)

    async def _store(self, appliance: ApplianceId, generation: Generation) -> None:
        last = {**self._last, appliance: generation}
        await asyncio.to_thread(files.write, self._path, msgspec.json.encode(last), mode=files.PRIVATE)
        self._last = last
