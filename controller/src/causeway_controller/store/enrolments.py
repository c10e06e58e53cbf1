"""Tokens with which fresh appliances prove themselves, sealed, from before deployment until enrolment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from causeway_controller.store import secrets
from causeway_controller.store.database import Database
from causeway_controller.store.secrets import Kind
from causeway_controller.trust.sealing import Vault
from causeway_wire.types import ApplianceId, Secret


class Enrolments:
    """One token per appliance that has not enrolled yet."""

    def __init__(
        self,
        database: Database,
        sealing: Vault,
        *,
        now: Callable[[], datetime],
        make: Callable[[], Secret],
    ) -> None:
        """`make` gives a new token each time, of at least 128 random bits."""
        self._database = database
        self._vault = sealing
        self._now = now
        self._make = make

    async def get(self, appliance: ApplianceId) -> Secret:
        """Return the appliance's token, made now when it has none. Raises StoreError, SealBroken."""
        return await asyncio.to_thread(self._get, appliance)

    async def drop(self, appliance: ApplianceId) -> None:
        """Forget the token: it was used. Again changes nothing. Raises StoreError."""
        await asyncio.to_thread(self._drop, appliance)

    async def waits(self, appliance: ApplianceId) -> bool:
        """Whether a token is kept: somebody has had it deployed or enrolled, and was not told that it did
        enrol. Raises StoreError.
        """
        return await asyncio.to_thread(self._waits, appliance)

    def _waits(self, appliance: ApplianceId) -> bool:
        with self._database.read() as connection:
            return secrets.kept(connection, Kind.ENROLMENT, appliance)

    def _get(self, appliance: ApplianceId) -> Secret:
        with self._database.write() as connection:
            found = secrets.find(connection, self._vault, Kind.ENROLMENT, appliance)
            if found is not None:
                return found
            made = self._make()
            return secrets.keep_first(
                connection, self._vault, Kind.ENROLMENT, appliance, made, at=self._now()
            )

    def _drop(self, appliance: ApplianceId) -> None:
        with self._database.write() as connection:
            secrets.forget(connection, Kind.ENROLMENT, appliance)
