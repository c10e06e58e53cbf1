"""Nobody is met before there are credentials; they are tried for until there are any."""

from __future__ import annotations

import asyncio
import errno
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from causeway_agent.api import serving, tls
from causeway_agent.api.listener import Listener
from causeway_agent.api.serving import Serving, Use
from causeway_agent.engine.ports import Credentials
from causeway_agent.engine.service import Engine
from causeway_agent.engine.signal import Signal
from causeway_agent.errors import BackendError
from causeway_wire.types import IPAddress

GIVEN = Credentials(key="/k", certificate="certificate", controller_ca="authority")
BUSY = BackendError("csr worker: self-signed", "no result within 300 s")


@dataclass
class Doors:
    """Where it was served."""

    served: list[str] = field(default_factory=list)
    shut: int = 0
    """How often the address cannot be bound."""

    def turn_out(self, _unwelcome: object) -> None:
        pass

    async def serve(self, address: IPAddress, port: int) -> None:
        if self.shut:
            self.shut -= 1
            raise OSError(errno.EADDRNOTAVAIL, "not here yet")
        self.served.append(f"{address} {port}")


@dataclass
class Store:
    """Refuses so often before it gives an identity."""

    refusals: list[BackendError]

    async def open(self, use: Use) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        await use(GIVEN)


@dataclass
class Scene:
    doors: Doors = field(default_factory=Doors)
    ready: list[str] = field(default_factory=list)
    damage: dict[str, tuple[str, ...]] = field(default_factory=dict)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    def is_ready(self) -> None:
        self.ready.append(", ".join(self.doors.served))
        self.told.set()

    def serving(self) -> Serving:
        engine = SimpleNamespace(
            revocations=SimpleNamespace(refuses=lambda _: False),
            refusals=SimpleNamespace(note=lambda _code, _words: None),
            reconciler=SimpleNamespace(looked=Signal()),
            management=SimpleNamespace(address="192.0.2.1", port=8443),
            state=SimpleNamespace(damage=self.damage),
        )
        return Serving(
            listener=cast(Listener, self.doors),
            context=tls.RotatingContext(ssl.PROTOCOL_TLS_SERVER),
            engine=cast(Engine, engine),
            directory=Path("/nowhere"),
            ready=self.is_ready,
        )


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    monkeypatch.setattr(tls, "context", lambda _credentials, _directory: made)
    return Scene()


async def test_an_identity_that_cannot_be_made_now_is_made_later(scene: Scene) -> None:
    await asyncio.wait_for(scene.serving().open(Store([BUSY, BUSY]).open, again=0.01), 5)
    assert scene.doors.served == ["192.0.2.1 8443"]
    assert scene.damage == {}


async def test_until_then_the_agent_is_ready_tells_and_meets_nobody(scene: Scene) -> None:
    there = scene.serving()
    waiting = asyncio.create_task(there.open(Store([BUSY] * 9).open, again=60))
    await asyncio.wait_for(scene.told.wait(), 5)
    assert not await there._refresh()
    assert (scene.ready, scene.doors.served) == ([""], [])
    assert scene.damage == {"identity": (f"nobody is let in but on the console: {BUSY}",)}
    waiting.cancel()


async def test_it_is_ready_once_where_it_serves(scene: Scene) -> None:
    await scene.serving().open(Store([]).open)
    assert scene.ready == ["192.0.2.1 8443"]


async def test_an_address_that_cannot_be_bound_at_first_is_tried_again_though_nobody_looks(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "RETRY_SECONDS", 0.01)
    there, scene.doors.shut = scene.serving(), 2
    following = asyncio.create_task(there.follow())
    await asyncio.sleep(0)
    await there.open(Store([]).open)
    await asyncio.wait_for(scene.told.wait(), 5)
    assert scene.doors.served == ["192.0.2.1 8443"]
    following.cancel()
