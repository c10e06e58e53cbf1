"""A controller at a Unix socket, in a thread of its own: commands have event loops of their own."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from causeway_controller.api.building import Parts, build
from causeway_controller.api.ports import Services
from causeway_controller.app.serving import utc_now
from causeway_controller.store import migrate
from causeway_controller.store.database import Database, connect
from tests.fakes.appliance_service import FakeAppliances
from tests.fakes.run_service import FakeRunService


@dataclass(frozen=True, kw_only=True)
class AtSocket:
    """A controller that answers there."""

    socket: Path
    database: Database
    runs: FakeRunService


@contextmanager
def at_socket(tmp_path: Path) -> Iterator[AtSocket]:
    """A controller with an empty store, its runs with a fake."""
    database = connect(f"sqlite:///{tmp_path}/causeway.db")
    migrate.upgrade(database)
    found = AtSocket(socket=tmp_path / "c.sock", database=database, runs=FakeRunService(database))
    parts = Parts(
        database=database,
        services=Services(runs=found.runs, appliances=FakeAppliances()),
        now=utc_now,
        clock=time.monotonic,
        random=secrets.token_bytes,
    )
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        runner = web.AppRunner(build(parts), access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.UnixSite(runner, str(found.socket)).start()
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(20)
        yield found
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()
        database.close()
