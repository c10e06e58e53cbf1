"""Bounds how often one source may fail to be known: it slows guessing down and keeps the log readable."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from causeway_wire.problem import ProblemError, ProblemType, problem

BURST: Final = 10
"""Failures before a source has to wait."""
SECONDS: Final = 6.0
"""For one more failure."""
SOURCES: Final = 4096
"""Remembered at once; of more, those that failed longest ago are forgotten."""
_SITE_BITS: Final = 64
"""Who has one IPv6 address has all of its /64 (RFC 4291, 2.5.4)."""


class Throttle:
    """A budget of failures for each source, which fills again with time. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._debts: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self.failures = 0

    def check(self, address: str) -> None:
        """Raise ProblemError (`too-many`) while the source has failed too often."""
        wait = (self._debt(_source(address)) - BURST + 1) * SECONDS
        if wait > 0:
            detail = f"too many requests from there were of nobody known; wait {wait:.0f} s"
            raise ProblemError(problem(ProblemType.TOO_MANY, detail, retry_after=wait))

    def failed(self, address: str) -> None:
        """Count a failure of this source."""
        self.failures += 1
        source = _source(address)
        self._debts[source] = (self._debt(source) + 1, self._clock())
        self._debts.move_to_end(source)
        if len(self._debts) > SOURCES:
            self._debts.popitem(last=False)

    def _debt(self, source: str) -> float:
        debt, at = self._debts.get(source, (0.0, 0.0))
        return max(0.0, debt - (self._clock() - at) / SECONDS)


def _source(address: str) -> str:
    """Whom the address stands for."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 6:  # noqa: PLR2004 - the IP version
        found = found.ipv4_mapped or found
    if found.version == 4:  # noqa: PLR2004
        return str(found)
    return str(ipaddress.ip_network((found, _SITE_BITS), strict=False))
