"""Who this controller is to its agents: its authority in the store, its own key in a directory of its own."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import tempfile
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
from causeway_wire.types import Name, Pem, SerialNumber

PROVIDER: Final[Name] = "causeway"
"""Whose authority of agents and controllers it is; a store has one provider."""


def establish(
    kept: Authorities, ledger: Ledger, name: Name, place: Path, *, now: Callable[[], datetime]
) -> ControllerIdentity:
    """Return the identity of the controller of this name, whose key is below this directory and nowhere else.

    Key and certificate are made when there are none that go together, and made anew when two thirds of the
    certificate's life are over, when it is not the last one that was issued or was revoked, and when another
    generation of the authority signs by now. Other controllers may keep theirs in this directory too. Raises
    StartError, StoreError.
    """
    management = authorities.management(PROVIDER)
    kept.establish(management, actor=name)
    bundle = kept.bundle(management)
    subject = certificates.of_controller(name)
    signing = rotation.signing(kept.generations(management))
    last = ledger.last(subject)
    if last is not None and _usable(
        found := _pair(place / name / last.serial, bundle), last, signing, now=now()
    ):
        return found
    issuer = kept.issuer(management, subject, actor=name)
    try:
        serial, made = _make(issuer, name, place / name, keep=last, authority=bundle, now=now())
    except OSError as error:
        detail = f"the controller's own key cannot be written to {place} ({error.strerror})"
        raise StartError(f"{detail}; correct the directory's owner or mode") from error
    ledger.installed(serial, actor=name)
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


def _pair(place: Path, authority: Pem) -> ControllerIdentity:
    return ControllerIdentity(
        certificate=place / "controller.pem", key=place / "controller.key", authority=authority
    )


def _make(
    issuer: pki.Issuer, name: Name, place: Path, *, keep: Issued | None, authority: Pem, now: datetime
) -> tuple[SerialNumber, ControllerIdentity]:
    """Make a key and its certificate in a directory that is named by the serial number. Raises OSError.

    It appears as a whole and never changes: clients read both files again for each new context, whenever that
    is. Those before it go, but for the last (`keep`), which clients use until they are told.
    """
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = [one for one in place.iterdir() if keep is None or one.name != keep.serial]
    new = Path(tempfile.mkdtemp(prefix="new-", dir=place))
    made = make_identity(issuer, name, new, authority=authority, now=now)
    serial = pki.serial(made.certificate.read_text())
    pair = _pair(place / serial, authority)
    new.rename(pair.key.parent)
    for one in before:
        shutil.rmtree(one, ignore_errors=True)
    return serial, pair


def _usable(pair: ControllerIdentity, last: Issued, signing: Generation | None, *, now: datetime) -> bool:
    """Whether key and certificate are there, are a pair, last, are what the ledger has and not revoked."""
    if signing is None or last.generation < signing.number or last.revoked is not None:
        return False
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(pair.certificate, pair.key)
        text = pair.certificate.read_text()
        due = certificates.renew_at(*pki.validity(text))
        return pki.serial(text) == last.serial and now < due
    except (OSError, ssl.SSLError, ValueError):
        return False
