"""`causeway serve`: the controller put together, started, watched over and stopped."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from causeway_controller import __version__
from causeway_controller.api.building import Parts, build
from causeway_controller.api.ports import Services, Watcher
from causeway_controller.api.runner import Runner
from causeway_controller.app import disk_watch, heap, listening, notify
from causeway_controller.app.certificate_watch import CertificateWatch
from causeway_controller.app.disk_watch import DiskWatch
from causeway_controller.errors import StartError
from causeway_controller.settings import Settings, Tls
from causeway_controller.store import revisions
from causeway_controller.store.database import Database, connect

Conduct = Callable[[Settings, Database], AbstractAsyncContextManager[Services]]
"""Brings up who acts, and takes it down again."""

_SHUTDOWN_SECONDS: Final = 5.0
"""For requests that are being answered."""

_log = logging.getLogger(__name__)


def utc_now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


async def serve(settings: Settings, conduct: Conduct) -> None:
    """Serve until SIGTERM or SIGINT. Raises StartError, StoreError before anything listens."""
    database = await asyncio.to_thread(open_store, settings)
    try:
        async with conduct(settings, database) as services, _serving(settings, database, services):
            heap.settle()
            await _until_stopped()
    finally:
        await asyncio.to_thread(database.close)


def open_store(settings: Settings) -> Database:
    """Connect to a store that has the tables of this version. Raises StartError, StoreError.

    It is not migrated here: of several controllers an old one may still be at work on it, and a backup comes
    first.
    """
    database = connect(settings.store.reveal())
    missing = revisions.missing(database)
    if missing:
        database.close()
        if missing == revisions.known():
            raise StartError(
                "the store is empty: nothing was set up here yet; run `causeway setup` first. If there was a "
                "store and it is lost, bring it back instead: `causeway restore FILE`"
            )
        detail = f"the store lacks the tables {', '.join(missing)}; back it up, then run `causeway setup`"
        raise StartError(detail)
    return database


@asynccontextmanager
async def _serving(settings: Settings, database: Database, services: Services) -> AsyncIterator[None]:
    """The API at its sockets; told to the service manager once all of them listen."""
    tls = None if settings.tls is None else (settings.tls, listening.tls_context(settings.tls))
    group = listening.group_number(settings.socket_group)
    parts = Parts(
        database=database,
        services=services,
        now=utc_now,
        clock=time.monotonic,
        random=secrets.token_bytes,
        interval=settings.interval,
        patience=settings.patience,
        own=(DiskWatch(directories=disk_watch.written(settings.state, settings.store.reveal())),),
        watchers=_watchers(settings),
        socket_group=group,
    )
    runner = Runner(build(parts), shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    channel = listening.unix_socket(settings.socket, group)
    watchdog = asyncio.create_task(notify.keep_alive())
    try:
        await web.SockSite(runner, channel).start()
        where = [str(settings.socket)]
        if tls is not None:
            where.append(await _listen_tls(runner, *tls))
        _log.info("serving", extra={"version": __version__, "at": where})
        notify.notify(f"READY=1\nSTATUS=serving at {', '.join(where)}")
        yield
        notify.notify("STOPPING=1")
        _log.info("stopping")
    finally:
        watchdog.cancel()
        with suppress(asyncio.CancelledError):
            await watchdog
        await runner.cleanup()
        settings.socket.unlink(missing_ok=True)


def _watchers(settings: Settings) -> tuple[Watcher, ...]:
    if settings.tls is None:
        return ()
    return (CertificateWatch(certificate=settings.tls.certificate, now=utc_now),)


async def _listen_tls(runner: Runner, tls: Tls, context: ssl.SSLContext) -> str:
    """Listen over TLS and return where; SIGHUP reads certificate and key anew. Raises StartError."""
    channel = listening.tcp_socket(tls.listen, "tls.listen")
    await web.SockSite(runner, channel, ssl_context=context).start()

    def read_again() -> None:
        try:
            listening.load(context, tls)
            _log.info("certificate read again")
        except StartError as error:
            _log.error("certificate not read: %s", error)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, read_again)
    return f"https://{tls.listen}"


async def _until_stopped() -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
