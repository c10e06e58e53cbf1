"""A controller in a thread, at a Unix socket and on loopback: commands have event loops of their own."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from aiohttp import web

from causeway_controller.api.building import Parts, build
from causeway_controller.api.runner import Runner
from causeway_controller.app.serving import utc_now
from causeway_controller.contract.access import Role
from causeway_controller.contract.tokens import NewToken
from causeway_controller.store.database import Database
from causeway_controller.store.tokens import Tokens
from tests import joining, stores
from tests.fakes.appliance_service import FakeAppliances, FakeUpdates
from tests.fakes.run_service import FakeRunService

_SECONDS = 60


@dataclass(kw_only=True)
class AtSocket:
    """A controller that answers there; with `secret`, also at `url`."""

    socket: Path
    database: Database
    runs: FakeRunService
    updates: FakeUpdates = field(default_factory=FakeUpdates)
    url: str = ""
    secret: str = ""
    now: Callable[[], datetime] = utc_now
    ready: threading.Event = field(default_factory=threading.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self) -> None:
        """Answer until `stop`."""
        parts = Parts(
            database=self.database,
            services=joining.services(
                self.database,
                runs=self.runs,
                appliances=FakeAppliances(),
                now=self.now,
                updates=self.updates,
            ),
            now=self.now,
            clock=time.monotonic,
            random=secrets.token_bytes,
            interval=30.0,
        )
        runner = Runner(build(parts), shutdown_timeout=1)
        await runner.setup()
        await web.UnixSite(runner, str(self.socket)).start()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[1][1]}"
        self.ready.set()
        await self.stop.wait()
        await runner.cleanup()


@contextmanager
def at_socket(tmp_path: Path) -> Iterator[AtSocket]:
    """A controller with an empty store and the token of an admin, its runs with a fake."""
    database = stores.made(tmp_path / "causeway.db")
    tokens = Tokens(database=database, now=utc_now, random=secrets.token_bytes)
    found = AtSocket(socket=tmp_path / "c.sock", database=database, runs=FakeRunService(database))
    found.secret = tokens.make(NewToken(name="test", role=Role.ADMIN), actor="test").secret
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(found.serve()))
    thread.start()
    try:
        assert found.ready.wait(_SECONDS)
        yield found
    finally:
        loop.call_soon_threadsafe(found.stop.set)
        thread.join(_SECONDS)
        loop.close()
        database.close()
