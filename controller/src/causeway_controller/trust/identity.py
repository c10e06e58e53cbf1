"""Who a controller is to its agents: its client certificate and key, and the authority it has for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from causeway_controller import files
from causeway_controller.trust import pki
from causeway_wire.routes import Permission
from causeway_wire.types import Pem


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerIdentity:
    """A controller's client certificate and key (files, because the ssl module reads nothing else), and the
    authority of the agents' certificates.
    """

    certificate: Path
    key: Path
    authority: Pem
    """One PEM certificate, or several during a rotation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """A controller: the authority of its agents, and its own client certificate."""

    authority: pki.Authority
    identity: ControllerIdentity


def make_identity(
    issuer: pki.Issuer, name: str, place: Path, *, authority: Pem, now: datetime
) -> ControllerIdentity:
    """Return a controller that may do everything, its new key and certificate written to this directory.

    `authority` is what it trusts agents by. Raises OSError, and what the issuer raises.
    """
    key = pki.make_key()
    certificate = pki.issue_controller(
        issuer, key.public_key(), name=name, permissions=tuple(Permission), now=now
    )
    files.write(place / "controller.key", pki.private_pem(key), mode=files.PRIVATE)
    files.write(place / "controller.pem", certificate.encode("ascii"), mode=files.PUBLIC)
    return ControllerIdentity(
        certificate=place / "controller.pem", key=place / "controller.key", authority=authority
    )


def make_office(name: str, directory: Path, *, now: datetime) -> Office:
    """A controller with an authority of its own; its key lies below the directory."""
    authority = pki.make_controller_authority(name=f"{name} ca", now=now)
    identity = make_identity(authority, name, directory / name, authority=authority.pem, now=now)
    return Office(authority=authority, identity=identity)
