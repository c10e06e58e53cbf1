"""Certificates that were refused at the API, in words: who shows one only sees the connection end.

Not those that are revoked (`revocations`). That a time is wrong is only said of certificates whose authority
is the controllers': the chain is built first (OpenSSL, x509_vfy.c), so strangers have no say in it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from causeway_agent.engine.ports import Clock
from causeway_wire.observed import RefusedCertificate

# openssl/x509_vfy.h
NOT_YET_VALID: Final = 9
EXPIRED: Final = 10
KEPT: Final = 8
"""Reasons told at once; OpenSSL has some eighty. Strangers can bring about many of them; those that only
certificates of the controllers' authority have are not given up for theirs.
"""


class Refusals:
    """Counts them by reason."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._found: dict[tuple[int, str], tuple[int, datetime]] = {}

    def note(self, code: int, words: str) -> None:
        """A certificate was refused for this reason, in OpenSSL's number and words."""
        count, _ = self._found.pop((code, words), (0, None))
        self._found[code, words] = (count + 1, self._clock.now())
        if len(self._found) > KEPT:
            del self._found[next(each for each in self._found if each[0] not in {NOT_YET_VALID, EXPIRED})]

    def report(self) -> tuple[RefusedCertificate, ...]:
        """What was refused since the agent began, the latest first."""
        return tuple(
            RefusedCertificate(reason=_reason(code, words, last), refused=count, last=last)
            for (code, words), (count, last) in reversed(self._found.items())
        )


def _reason(code: int, words: str, last: datetime) -> str:
    clock = f"this appliance's clock said {last:%Y-%m-%d %H:%M} UTC"
    if code == NOT_YET_VALID:
        return (
            f"not yet valid: {clock}; if it is behind, set it, else look at the clock of the controller that "
            "made the certificate"
        )
    if code == EXPIRED:
        return f"expired: {clock}; if it is ahead, set it, else the controller needs a new certificate"
    return f"{words}: it is of no controller of this appliance's authority"
