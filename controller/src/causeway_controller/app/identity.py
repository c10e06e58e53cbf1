"""Who this controller is to its agents: its authority in the store, its own key in a directory of its own."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from causeway_controller.errors import StartError
from causeway_controller.inventory import certificates
from causeway_controller.store import authorities
from causeway_controller.store.authorities import Authorities
from causeway_controller.trust import pki
from causeway_controller.trust.identity import ControllerIdentity, make_identity
from causeway_wire.types import Name

PROVIDER: Final[Name] = "causeway"
"""Whose authority of agents and controllers it is; a store has one provider."""


def establish(
    kept: Authorities, name: Name, place: Path, *, now: Callable[[], datetime]
) -> ControllerIdentity:
    """Return the identity of the controller of this name, whose key is in this directory and nowhere else.

    Key and certificate are made when there are none that go together, and made anew when two thirds of the
    certificate's life are over. Raises StartError, StoreError.
    """
    management = authorities.management(PROVIDER)
    kept.establish(management, actor=name)
    bundle = kept.bundle(management)
    if _usable(place, now=now()):
        return ControllerIdentity(
            certificate=place / "controller.pem", key=place / "controller.key", authority=bundle
        )
    issuer = kept.issuer(management, certificates.of_controller(name), actor=name)
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        return make_identity(issuer, name, place, authority=bundle, now=now())
    except OSError as error:
        detail = f"the controller's own key cannot be written to {place} ({error.strerror})"
        raise StartError(f"{detail}; correct the directory's owner or mode") from error


def _usable(place: Path, *, now: datetime) -> bool:
    """Whether key and certificate are there, are a pair, and last."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(
            place / "controller.pem", place / "controller.key"
        )
        return now < certificates.renew_at(*pki.validity((place / "controller.pem").read_text()))
    except (OSError, ssl.SSLError, ValueError):
        return False
