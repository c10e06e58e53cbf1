"""This controller's lease: kept in a thread of its own; when it cannot be kept this controller ends itself.

Neither a busy event loop nor a busy pool of threads or connections may cost it. Once it may have ended,
another controller may act in our place, and nothing waits for good manners: the process exits.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Final, NoReturn

from causeway_controller.errors import StoreError
from causeway_controller.store.leases import Leases
from causeway_wire.types import Name

SECONDS: Final = 10.0
"""How long a controller is believed to live after it last said so."""
_SHARE: Final = 0.8
"""Of the lease, during which we act: what was sent in its last moments has arrived when it ends."""
_RENEWALS: Final = 4
"""In the time of a lease."""

_log = logging.getLogger(__name__)


def end_process(reason: str) -> NoReturn:
    """End this process at once: no handler runs, nothing is flushed that could act for us."""
    _log.critical("this controller ends itself: %s", reason)
    logging.shutdown()
    os._exit(os.EX_TEMPFAIL)


class Lease:
    """The lease of this process; `leases` has a database of its own."""

    def __init__(
        self,
        leases: Leases,
        *,
        name: Name,
        seconds: float = SECONDS,
        die: Callable[[str], None] = end_process,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.seconds = seconds
        self._leases = leases
        self._die = die
        self._monotonic = monotonic
        self._renewed = float("-inf")
        self._refused = ""
        """What the store said to the last renewal, where it refused that."""
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Take the lease and keep it from now on. Raises StoreError."""
        asked = self._monotonic()
        self._leases.take(self.name, self.seconds)
        self._renewed = asked
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Give the lease up: others need not wait for its end. Nothing may act for us any more."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        try:
            self._leases.give_up(self.name)
        except StoreError as error:
            _log.warning("the lease ends by itself: %s", error)

    def in_charge(self) -> None:
        """Return when this controller may act now; otherwise end it."""
        if not self._holds():
            why = f" ({self._refused})" if self._refused else ""
            self._die(f"its lease of {self.seconds:g} s was not renewed in time{why}")

    def renew(self) -> None:
        """Renew the lease once; end this controller when it has ended, or nearly."""
        self.in_charge()  # a process that was stopped and woken must not make itself alive again
        asked = self._monotonic()
        try:
            if not self._leases.renew(self.name, self.seconds):
                self._die("its lease had ended, another controller may act in its place")
                return
        except StoreError as error:
            _log.warning("the lease is not renewed: %s", error)
            self._refused = str(error)
            self.in_charge()
        else:
            self._renewed, self._refused = asked, ""

    def _keep(self) -> None:
        while not self._over.wait(self.seconds / _RENEWALS):
            self.renew()

    def _holds(self) -> bool:
        return self._monotonic() - self._renewed < self.seconds * _SHARE
