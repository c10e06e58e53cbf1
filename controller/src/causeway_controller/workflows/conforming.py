"""Whether an appliance runs the document that it should, by the entity tag of the one that it runs."""

from __future__ import annotations

from typing import Protocol

from causeway_controller.failover import documents
from causeway_controller.inventory.tenancy import Site
from causeway_wire import codec
from causeway_wire.types import ApplianceId, Epoch, Generation


class Tagged(Protocol):
    """Tells the entity tag of its document; `fleet.client.AgentClient` does."""

    async def etag(self) -> str | None: ...


async def conforms(
    agent: Tagged, site: Site, appliance: ApplianceId, *, epoch: Epoch, generation: Generation | None = None
) -> bool:
    """Whether its document is equal to the one that follows from the site, of whatever number.

    With a `generation` only if it has that number. Raises what `documents.document` and the agent raise.
    """
    number, _, digest = (await agent.etag() or "").strip('"').partition("-")
    if not number.isdecimal() or not digest or generation not in {None, int(number)}:
        return False
    wanted = documents.document(site, appliance, generation=int(number), epoch=epoch)
    return codec.digest(wanted).startswith(digest)
