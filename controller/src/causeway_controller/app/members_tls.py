"""Where a provider's controller serves its tenants' controllers: TLS 1.3, their certificates asked for."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from causeway_controller.api.runner import Runner
from causeway_controller.app import listening
from causeway_controller.errors import ControllerError
from causeway_controller.inventory.rotation import Add, Distribute, Retire
from causeway_controller.settings import ForTenants
from causeway_controller.store.authorities import Authorities, AuthorityName
from causeway_controller.store.peer_keys import PeerKeys
from causeway_controller.trust import pki, server_certificate, tls_files
from causeway_wire.types import Name

REFRESH_SECONDS: Final = 5.0
"""Until a controller shows a key, and trusts an authority, that another one of this provider has made."""
_SETTLED: Final = timedelta(minutes=1)
"""After which all of them have; then a new authority may sign."""
_SHUTDOWN_SECONDS: Final = 5.0
_NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME (X509_VERIFY_PARAM_set_flags(3)), which the ssl module has no name for."""

_log = logging.getLogger(__name__)


class MemberTls:
    """The TLS that members meet, kept in step with the store.

    Whom an authority vouches for may shake hands, no more: whether the certificate counts is asked at each
    request. So an authority that was retired meanwhile need not be taken out.
    """

    def __init__(
        self,
        keys: PeerKeys,
        kept: Authorities,
        *,
        authority: AuthorityName,
        url: str,
        now: Callable[[], datetime],
    ) -> None:
        self._keys = keys
        self._kept = kept
        self._authority = authority
        self._host = urlsplit(url).hostname or "controller"
        self._now = now
        self._shown = ("", "")
        self._turn = threading.Lock()
        self.context = _context()

    def refresh(self) -> None:
        """Show the key and trust the authorities that the store has. Raises StoreError, SealBroken."""
        with self._turn:  # else what was read before a key was replaced may be shown after it
            pin, bundle = self._keys.pins().current, self._kept.bundle(self._authority)
            if self._shown == (pin, bundle):
                return
            key = self._keys.key()
            certificate = server_certificate.self_signed(
                pki.read_key(key), names=[self._host], now=self._now()
            )
            tls_files.load(self.context, pki.pem(certificate), key)
            self.context.load_verify_locations(cadata=bundle)
            self._shown = (pin, bundle)

    def rotate(self, *, actor: Name) -> None:
        """Do what is next to replace the authority, if anything. Members renew by themselves in between.

        Raises StoreError.
        """
        match self._kept.phase(self._authority):
            case Add():
                self._kept.add(self._authority, actor=actor)
            case Distribute(generation) if self._settled(generation):
                self._kept.trusted(self._authority, generation, actor=actor)
            case Retire(generation):
                self._kept.retire(self._authority, generation, actor=actor)
            case _:
                return

    def _settled(self, number: int) -> bool:
        made = [each.not_before for each in self._kept.generations(self._authority) if each.number == number]
        return all(self._now() - moment - pki.BACKDATING >= _SETTLED for moment in made)

    async def keep(self, *, actor: Name) -> None:
        """Stay in step with the store, until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await asyncio.to_thread(self.rotate, actor=actor)
                await asyncio.to_thread(self.refresh)
            except ControllerError as error:
                _log.error("members' keys not read: %s", error)


@asynccontextmanager
async def serving(
    application: web.Application, tls: MemberTls, settings: ForTenants, *, actor: Name
) -> AsyncIterator[None]:
    """Tenants' controllers are served as long as this is open. Raises StartError, StoreError."""
    await asyncio.to_thread(tls.refresh)
    runner = Runner(application, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    keeping = asyncio.create_task(tls.keep(actor=actor))
    try:
        channel = listening.tcp_socket(settings.listen, "tenants.listen")
        await web.SockSite(runner, channel, ssl_context=tls.context).start()
        _log.info("serving tenants' controllers", extra={"at": str(settings.listen), "url": settings.url})
        yield
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        await runner.cleanup()


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_OPTIONAL  # who joins has no certificate yet
    context.verify_flags |= _NO_CHECK_TIME  # asked at each request, and answered in words
    context.num_tickets = 0  # a resumed session would skip the look at the certificate
    return context
