"""Many tenants' controllers in one process, as their provider meets them.

`python -m benchmarks.joined_tenants FILE`: FILE holds their invitations. Each has a key and a certificate of
its own, joins, follows its provider and leads its half of a failover by the code of a controller. Only what
would be in a store is in memory. Words on standard input say what they do; a line of JSON answers each.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from benchmarks import joined_sites
from causeway_controller.contract import tenant_routes
from causeway_controller.contract.joining import Invitation, LinkState
from causeway_controller.contract.tunnels import AskTunnel, TunnelEnd
from causeway_controller.errors import ControllerError
from causeway_controller.peers.client import ProviderClient
from causeway_controller.peers.half import HalfClient
from causeway_controller.peers.kept_clients import KeptClients
from causeway_controller.store.links import Link, Links
from causeway_controller.store.told import Told
from causeway_controller.trust import pki
from causeway_controller.workflows.providers import Providers, client_of, door_of
from causeway_wire.problem import ProblemError
from causeway_wire.types import Pem, Secret, TenantId

JOIN, FOLLOW, FAIL_OVER = "join", "follow", "fail-over"
NAME: Final = "north"
"""What they call the provider."""
EPOCH: Final = 1
HOLD: Final = 120
"""Seconds for which the provider's half is held while the tenant's own is changed."""
_JOINING: Final = 8
"""Who join at the same time."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """How long it took, in seconds, and what went wrong."""

    seconds: float
    lost: tuple[str, ...] = ()


class KeptLinks:
    """`store.links.Links` of one provider, in memory."""

    def __init__(self) -> None:
        self.link: Link | None = None

    def names(self) -> tuple[str, ...]:
        """Of the provider, once it is known."""
        return () if self.link is None else (NAME,)

    def get(self, _name: str) -> Link:
        """The link."""
        return cast(Link, self.link)

    def begin(self, name: str, invitation: Invitation, *, actor: str) -> Link:  # noqa: ARG002 - as the store
        """Keep an invitation and a key for it."""
        self.link = Link(
            name=name,
            url=invitation.url,
            tenant=invitation.tenant,
            state=LinkState.JOINING,
            pins=invitation.pins,
            key=Secret(pki.private_pem(pki.make_key()).decode("ascii")),
            certificate=None,
            invitation=Secret(invitation.secret),
        )
        return self.link

    def joined(self, name: str, *, tenant: TenantId, certificate: Pem) -> None:
        """The provider has accepted."""
        found = self.get(name)
        self.link = replace(
            found, tenant=tenant, certificate=certificate, state=LinkState.JOINED, invitation=None
        )

    def heard(self, name: str, *, pins: tuple[str, ...]) -> None:
        """The provider answered, and told its keys."""
        self.link = replace(self.get(name), pins=pins)

    def failed(self, name: str, trouble: str, *, out: bool) -> None:
        """The provider could not be asked."""


class KeptNothing:
    """`store.told.Told` of who looks at nothing of it."""

    def keep(self, _name: str, _resources: object) -> None:
        """Let it go."""


@dataclass
class Controller:
    """One tenant's."""

    invitation: Invitation
    links: KeptLinks
    providers: Providers

    @property
    def tenant(self) -> TenantId:
        """Whose it is."""
        return self.invitation.tenant

    async def join(self) -> None:
        """Accept the invitation, and have the tunnel's own end certified."""
        await self.providers.join(self.invitation, NAME, actor="bench")
        request = pki.make_request(pki.make_key())
        async with client_of(self.links.get(NAME)) as client:
            body = AskTunnel(request=request)
            reply = await client.ask(tenant_routes.TUNNEL, {"network": joined_sites.NETWORK}, body=body)
        reply.read(TunnelEnd)

    async def fail_over(self) -> None:
        """Lead the provider's half, as the stages of a run do."""

        async def connect() -> AbstractAsyncContextManager[ProviderClient]:
            return kept.client(NAME, door_of(self.links.get(NAME)))

        async with KeptClients() as kept:
            half = HalfClient(connect=connect, name=NAME, run=f"run-{self.tenant}")
            opened = await half.open(joined_sites.HOST, joined_sites.FAILED_OVER, end_full=False, epoch=EPOCH)
            await half.extend(opened, seconds=HOLD, epoch=EPOCH)
            await half.confirm(opened, epoch=EPOCH)


def controllers(invitations: Sequence[Invitation]) -> list[Controller]:
    """One for each invitation."""
    made = []
    for invitation in invitations:
        links = KeptLinks()
        providers = Providers(cast(Links, links), cast(Told, KeptNothing()), left=KeptClients().forget)
        made.append(Controller(invitation, links, providers))
    return made


async def obey(known: list[Controller]) -> None:
    """Do what standard input says until it ends."""
    following: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        match line.decode().strip():
            case word if word == JOIN:
                done = await _all(known, Controller.join, at_once=_JOINING)
            case word if word == FAIL_OVER:
                done = await _all(known, Controller.fail_over, at_once=len(known))
            case word if word == FOLLOW:
                following += [asyncio.create_task(one.providers.follow()) for one in known]
                done = Done(seconds=0)
            case word:
                raise ValueError(word)
        sys.stdout.write(msgspec.json.encode(done).decode() + "\n")
        sys.stdout.flush()
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)


async def _all(
    known: list[Controller], act: Callable[[Controller], Awaitable[None]], *, at_once: int
) -> Done:
    room, began = asyncio.Semaphore(at_once), time.monotonic()

    async def one(each: Controller) -> str:
        async with room:
            try:
                await act(each)
            except (ControllerError, ProblemError) as error:
                return f"{each.tenant}: {error}"
            return ""

    found = await asyncio.gather(*map(one, known))
    return Done(seconds=time.monotonic() - began, lost=tuple(filter(None, found)))


def main() -> None:
    """Read the invitations, and obey."""
    read: Any = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=tuple[Invitation, ...])
    asyncio.run(obey(controllers(read)))


if __name__ == "__main__":
    main()
