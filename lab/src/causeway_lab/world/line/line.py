"""A line in the fabric: put in a cable's way while it has something to do, taken out when it has not.

    site's router ── port ── bridge ┄ near ┤ means ├ far ┄ segment's bridge      with a line
    site's router ── port ────────────────────────────────── segment's bridge      without

So a clear line costs nothing: it is not there.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

from causeway_lab.world import namespaces
from causeway_lab.world.line import netem
from causeway_lab.world.line.conditions import Conditions
from causeway_lab.world.line.forwarder import Report
from causeway_lab.world.line.means import Means, UserSpace
from causeway_lab.world.namespaces import WiringError
from causeway_wire.types import IPAddress

_DRAIN_SECONDS = 3.0
_POLL = 0.02


class Line:
    """The line of one cable. Its methods are synchronous, and each is over within seconds."""

    def __init__(
        self,
        *,
        namespace: str | None,
        port: str,
        bridge: str,
        directory: Path,
        addresses: Sequence[IPAddress] = (),
    ) -> None:
        """`port` is the site's cable, a port of `bridge`, both in the namespace (None: this one).

        `addresses` are the line's own on the segment; it tells of packets that are too big from them.
        """
        self._namespace = namespace
        self._port = port
        self._bridge = bridge
        self._own, self._near, self._far = (f"{port[1:]}{role}" for role in ("l", "n", "f"))
        self._path = directory / self._own
        self._addresses = tuple(addresses)
        self._means: Means | None = None
        self.conditions = Conditions()

    @property
    def means(self) -> str:
        """What makes it, in words."""
        return "nothing in the way" if self._means is None else self._means.name

    @property
    def present(self) -> bool:
        """Whether something is in the way."""
        return self._means is not None

    @property
    def pid(self) -> int | None:
        """The forwarder's process id, if it is the means."""
        return None if self._means is None else self._means.pid

    @property
    def broken(self) -> bool:
        """Whether what makes it ended by itself: the cable is cut until the next change."""
        return self._means is not None and self._means.broken

    def change(self, conditions: Conditions) -> None:
        """These conditions from now on. Raises ConditionError; WiringError when it cannot be built."""
        conditions.check()
        if conditions.clear:
            self._leave()
        else:
            self._enter(self._fitting(conditions), conditions)
        self.conditions = conditions

    def rebind(self) -> None:
        """Give every flow another outer port. Raises WiringError unless the line translates."""
        if self._means is None or not self.conditions.nat:
            raise WiringError("the line translates no ports; its conditions must say nat")
        self._means.rebind()

    def report(self) -> Report:
        """What became of packets so far; nothing while the line is clear. Raises WiringError."""
        if self._means is None:
            return Report(conditions=self.conditions, counters={}, waiting=0)
        return self._means.report()

    def close(self) -> None:
        """Take it out of the way; what is under way is lost."""
        self._remove()
        self.conditions = Conditions()

    def _fitting(self, conditions: Conditions) -> Means:
        """The means for these conditions: the present one, if it serves."""
        if netem.can(conditions) and netem.available(self._namespace):
            wanted: Means = netem.Netem(self._namespace, self._near, self._far)
        else:
            wanted = UserSpace(
                self._namespace, self._near, self._far, path=self._path, addresses=self._addresses
            )
        present = self._means
        return present if present is not None and present.name == wanted.name else wanted

    def _enter(self, means: Means, conditions: Conditions) -> None:
        """Start the means, then lead the cable through it."""
        if self.broken:
            self._remove()
        if means is self._means:
            means.change(conditions)
            return
        self._leave()
        self._means = means
        try:
            means.start()
            means.change(conditions)
            self._batch(
                f"link add {self._own} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                f"link set {self._own} addrgenmode none up",
                f"link set {self._near} addrgenmode none master {self._own} up",
                f"link set {self._far} addrgenmode none master {self._bridge} up",
                f"link set {self._port} master {self._own}",
            )
        except BaseException:
            self._remove()
            raise

    def _leave(self) -> None:
        """Let what is under way arrive, then take the means out of the way."""
        if self._means is not None and not self._means.broken:
            self._means.change(Conditions())
            deadline = time.monotonic() + _DRAIN_SECONDS
            while self._means.report().waiting and time.monotonic() < deadline:
                time.sleep(_POLL)
        self._remove()

    def _remove(self) -> None:
        if self._means is None:
            return
        self._batch(f"link set {self._port} master {self._bridge}")
        self._means.stop()
        self._means = None
        with contextlib.suppress(WiringError):  # it was not made yet
            self._batch(f"link delete {self._own}")

    def _batch(self, *lines: str) -> None:
        namespaces.batch(self._namespace, lines)
