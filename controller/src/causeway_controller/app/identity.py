"""Who this controller is to its agents: its authority in the store, its own key in a directory of its own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from causeway_controller.errors import StartError
from causeway_controller.fleet.pool import Pool
from causeway_controller.inventory import certificates, rotation
from causeway_controller.inventory.certificates import Issued
from causeway_controller.inventory.rotation import Generation
from causeway_controller.store import authorities
from causeway_controller.store.authorities import Authorities
from causeway_controller.store.ledger import Ledger
from causeway_controller.trust import pki
from causeway_controller.trust.identity import ControllerIdentity, make_identity
from causeway_wire.types import Name

PROVIDER: Final[Name] = "causeway"
"""Whose authority of agents and controllers it is; a store has one provider."""


def establish(
    kept: Authorities, ledger: Ledger, name: Name, place: Path, *, now: Callable[[], datetime]
) -> ControllerIdentity:
    """Return the identity of the controller of this name, whose key is in this directory and nowhere else.

    Key and certificate are made when there are none that go together, and made anew when two thirds of the
    certificate's life are over, when it is not the last one that was issued, and when another generation of
    the authority signs by now. Raises StartError, StoreError.
    """
    management = authorities.management(PROVIDER)
    kept.establish(management, actor=name)
    bundle = kept.bundle(management)
    subject = certificates.of_controller(name)
    signing = rotation.signing(kept.generations(management))
    if _usable(place, ledger.last(subject), signing, now=now()):
        return ControllerIdentity(
            certificate=place / "controller.pem", key=place / "controller.key", authority=bundle
        )
    issuer = kept.issuer(management, subject, actor=name)
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = make_identity(issuer, name, place, authority=bundle, now=now())
        text = made.certificate.read_text()
    except OSError as error:
        detail = f"the controller's own key cannot be written to {place} ({error.strerror})"
        raise StartError(f"{detail}; correct the directory's owner or mode") from error
    ledger.installed(pki.serial(text), actor=name)
    return made


class Refresh:
    """Keeps a controller that runs who it should be: its certificate, whom it believes, whom no longer."""

    def __init__(self, *, establish: Callable[[], ControllerIdentity], ledger: Ledger, pool: Pool) -> None:
        """`establish`: see the function of this name."""
        self._establish = establish
        self._ledger = ledger
        self._pool = pool
        self._shown = ""

    async def __call__(self) -> None:
        """Read anew what may have changed; clients use it from now on. Raises StartError, StoreError."""
        own = await asyncio.to_thread(self._establish)
        refused = await asyncio.to_thread(self._ledger.refused_agents)
        shown = await asyncio.to_thread(own.certificate.read_text)
        before, self._shown = self._shown, shown
        await self._pool.use(own, refused, renewed=before not in {"", shown})


def _usable(place: Path, last: Issued | None, signing: Generation | None, *, now: datetime) -> bool:
    """Whether key and certificate are there, are a pair, last, and are what the ledger has."""
    if last is None or signing is None or last.generation < signing.number:
        return False
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(
            place / "controller.pem", place / "controller.key"
        )
        text = (place / "controller.pem").read_text()
        due = certificates.renew_at(*pki.validity(text))
        return pki.serial(text) == last.serial and now < due
    except (OSError, ssl.SSLError, ValueError):
        return False
