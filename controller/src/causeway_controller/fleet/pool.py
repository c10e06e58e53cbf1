"""Open clients of agents, one for each appliance, kept for whoever asks next."""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from causeway_controller.errors import AgentUnknown
from causeway_controller.fleet.client import AgentClient, open_agent
from causeway_controller.fleet.connection import SocketFactory
from causeway_controller.inventory.tenancy import ManagementAccess
from causeway_controller.trust.identity import ControllerIdentity
from causeway_wire.types import ApplianceId


class Pool:
    """Use as an async context manager; not for several event loops."""

    def __init__(
        self,
        identity: ControllerIdentity,
        *,
        socket_factory: SocketFactory | None = None,
        patience: float = 1.0,
    ) -> None:
        self._identity = identity
        self._socket_factory = socket_factory
        self._patience = patience
        self._open: dict[ApplianceId, tuple[ManagementAccess, AgentClient]] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.clear()
        await self._stack.aclose()

    async def know(self, appliance: ApplianceId, access: ManagementAccess) -> AgentClient:
        """Return the appliance's client, which speaks to it where it is managed now."""
        known = self._open.get(appliance)
        if known is not None and known[0] == access:
            return known[1]
        made = open_agent(
            appliance=appliance,
            address=access.address,
            port=access.port,
            identity=self._identity,
            socket_factory=self._socket_factory,
            patience=self._patience,
        )
        client = await self._stack.enter_async_context(made)
        self._open[appliance] = access, client
        return client

    def __call__(self, appliance: ApplianceId) -> AgentClient:
        """Return the client of an appliance that is known. Raises AgentUnknown."""
        try:
            return self._open[appliance][1]
        except KeyError:
            raise AgentUnknown(appliance) from None
