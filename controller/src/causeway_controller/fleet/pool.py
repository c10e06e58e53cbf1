"""Open clients of agents, one for each appliance, kept for whoever asks next."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from causeway_controller.errors import AgentUnknown
from causeway_controller.fleet import tls
from causeway_controller.fleet.client import AgentClient, open_agent
from causeway_controller.fleet.connection import SocketFactory
from causeway_controller.inventory.tenancy import ManagementAccess
from causeway_controller.trust.identity import ControllerIdentity
from causeway_wire.types import ApplianceId, IPAddress, SerialNumber


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
        self._refused: frozenset[SerialNumber] = frozenset()
        self._context = tls.agents_context(identity)
        self._socket_factory = socket_factory
        self._patience = patience
        self._open: dict[ApplianceId, tuple[tuple[IPAddress, int], AgentClient]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._open:
            _, (_, client) = self._open.popitem()
            await client.close()

    async def know(self, appliance: ApplianceId, access: ManagementAccess) -> AgentClient:
        """Return the appliance's client, which speaks to it where it is managed now.

        Who holds the one for where it was before may go on with it; no connection of it is kept.
        """
        known, place = self._open.get(appliance), (access.address, access.port)
        if known is not None and known[0] == place:
            return known[1]
        client = open_agent(
            appliance=appliance,
            address=access.address,
            port=access.port,
            identity=self._identity,
            socket_factory=self._socket_factory,
            patience=self._patience,
            context=self._context,
        )
        await client.__aenter__()  # which waits for nothing
        self._open[appliance] = place, client
        if known is not None:
            await known[1].keep_none()
        return client

    @property
    def identity(self) -> ControllerIdentity:
        """Who this controller is now."""
        return self._identity

    async def use(
        self, identity: ControllerIdentity, refused: frozenset[SerialNumber], *, renewed: bool
    ) -> None:
        """Be this controller from now on, and let no appliance in that shows one of these certificates.

        `renewed`: whether the files of the identity have another certificate than before. Where nothing
        changes, open connections are kept; else the next request of each client meets its appliance anew.
        """
        if not renewed and (identity, refused) == (self._identity, self._refused):
            return
        self._context = tls.agents_context(identity, refused=refused)
        self._identity, self._refused = identity, refused
        for _, client in tuple(self._open.values()):
            await client.use(self._context)

    async def anew(self, appliance: ApplianceId) -> None:
        """Have the next request meet the appliance on a new connection, if it is known."""
        if appliance in self._open:
            await self._open[appliance][1].use(self._context)

    async def forget(self, appliance: ApplianceId) -> None:
        """Speak to it no more: another machine of its name is another one."""
        known = self._open.pop(appliance, None)
        if known is not None:
            await known[1].close()

    def __call__(self, appliance: ApplianceId) -> AgentClient:
        """Return the client of an appliance that is known. Raises AgentUnknown."""
        try:
            return self._open[appliance][1]
        except KeyError:
            raise AgentUnknown(appliance) from None
