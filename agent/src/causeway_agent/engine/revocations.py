"""Controllers' certificates that are refused although their authority signed them, and who showed one.

The list is the enforced document's: it needs no signature of its own and never expires, so that it holds for
as long as no controller can be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from causeway_agent.engine.ports import Clock
from causeway_agent.plan.compile import revocation
from causeway_wire.desired import Desired, Management
from causeway_wire.observed import RevokedCertificate
from causeway_wire.types import SerialNumber

API = "api"


def of(document: Desired | None) -> Iterator[RevokedCertificate]:
    """All that the document revokes, nobody refused yet."""
    if document is not None:
        yield from _at_api(document.management, {})
        yield from revocation.at_tunnels(document)


class Revocations:
    """Asked at each handshake and each request, so that a new list counts from the next one on."""

    def __init__(self, management: Callable[[], Management], clock: Clock) -> None:
        self._management = management
        self._clock = clock
        self._refused: dict[SerialNumber, tuple[int, datetime]] = {}

    def refuses(self, serial: SerialNumber) -> bool:
        """Whether a controller that shows this certificate is refused; when so, it is counted."""
        if serial not in (self._management().revoked or ()):
            return False
        count, _ = self._refused.get(serial, (0, None))
        self._refused[serial] = (count + 1, self._clock.now())
        return True

    def report(self) -> Iterator[RevokedCertificate]:
        """What is revoked at the API."""
        return _at_api(self._management(), self._refused)


def _at_api(
    management: Management, refused: Mapping[SerialNumber, tuple[int, datetime]]
) -> Iterator[RevokedCertificate]:
    """`refused`: how often each was shown, and when last."""
    for serial in management.revoked or ():
        count, last = refused.get(serial, (0, None))
        yield RevokedCertificate(serial=serial, at=API, refused=count, last=last)
