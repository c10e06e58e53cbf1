"""What an appliance's certificate needs, from the ledger and from what the appliance shows. Pure.

Each need follows from what is so, not from what was done: whoever died in between has lost nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from datetime import datetime

from causeway_controller.inventory import certificates, rotation
from causeway_controller.inventory.certificates import Issued
from causeway_controller.inventory.health import Deployed
from causeway_controller.inventory.rotation import Generation


class Need(enum.Enum):
    """What is to be done next."""

    NOTHING = "nothing"
    RENEW = "renew"
    """A new key and certificate: it is due, or another authority signs by now."""
    INSTALL = "install"
    """The newest certificate, or the newest authorities, have not arrived yet."""


def need(newest: Issued | None, one: Deployed, generations: Iterable[Generation], *, now: datetime) -> Need:
    """Return what the appliance needs, of whom `newest` is the last certificate that was issued.

    One that never enrolled has none; a revoked one is not renewed by itself.
    """
    known = tuple(generations)
    signing = rotation.signing(known)
    if newest is None or newest.revoked is not None or signing is None:
        return Need.NOTHING
    if newest.generation < signing.number or now >= certificates.renewal(newest):
        return Need.RENEW
    if one.shown is None or one.shown.serial != newest.serial or one.trusts != bundle(known):
        return Need.INSTALL
    return Need.NOTHING


def bundle(generations: Iterable[Generation]) -> str:
    """Name the authorities that are trusted, as `Deployed.trusts` remembers them."""
    return "+".join(str(one.number) for one in generations if one.retired is None)


def told(deployed: Iterable[Deployed], generations: Iterable[Generation]) -> bool:
    """Whether every deployed appliance was told to trust all authorities that are trusted."""
    wanted = bundle(generations)
    return all(one.trusts == wanted for one in deployed)
