"""A line in the fabric: put in a cable's way while it has something to do, taken out when it has not.

    site's router ── port ── bridge ┄ tap ┤ forwarder ├ tap ┄ segment's bridge      with a line
    site's router ── port ────────────────────────────────── segment's bridge      without

So a clear line costs nothing: it is not there.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from causeway_controller.lab import namespaces
from causeway_controller.lab.line.conditions import Conditions
from causeway_controller.lab.line.forwarder import Order, Report
from causeway_controller.lab.namespaces import WiringError
from causeway_wire.types import IPAddress

_PATIENCE = 10.0
_DRAIN_SECONDS = 3.0
_POLL = 0.02
_QUEUE = 10_000
"""Frames that wait for the forwarder; of the default of 1000 a burst would lose some."""


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
        self._addresses = tuple(addresses)
        self._directory = directory
        self._names = tuple(f"{port[1:]}{role}" for role in ("l", "n", "f"))  # a bridge, the near, the far
        self._process: subprocess.Popen[bytes] | None = None
        self.conditions = Conditions()

    @property
    def present(self) -> bool:
        """Whether a forwarder is in the way."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The forwarder's process id."""
        return None if self._process is None else self._process.pid

    @property
    def broken(self) -> bool:
        """Whether the forwarder ended by itself: the cable is cut until the next change."""
        return self._process is not None and self._process.poll() is not None

    def change(self, conditions: Conditions) -> None:
        """These conditions from now on. Raises ConditionError; WiringError when it cannot be built."""
        conditions.check()
        if conditions.clear:
            self._leave()
        else:
            if self.broken:
                self._remove()
            self._enter()
            self._ask(Order(conditions=conditions))
        self.conditions = conditions

    def rebind(self) -> None:
        """Give every flow another outer port. Raises WiringError unless the line translates."""
        if not self.conditions.nat:
            raise WiringError("the line translates no ports; its conditions must say nat")
        self._ask(Order(rebind=True))

    def report(self) -> Report:
        """What became of packets so far; nothing while the line is clear. Raises WiringError."""
        if not self.present:
            return Report(conditions=self.conditions, counters={}, waiting=0)
        return self._ask(Order())

    def close(self) -> None:
        """Take it out of the way; what is under way is lost."""
        if self.present:
            self._remove()
        self.conditions = Conditions()

    def _enter(self) -> None:
        """Start the forwarder, then lead the cable through it."""
        if self.present:
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        own, near, far = self._names
        command = (
            sys.executable,
            *("-m", "causeway_controller.lab.line.forwarder", near, far, str(self._socket)),
            *map(str, self._addresses),
        )
        self._socket.unlink(missing_ok=True)
        inside = command if self._namespace is None else namespaces.within(self._namespace, *command)
        self._process = subprocess.Popen(inside, stdin=subprocess.DEVNULL)
        try:
            self._wait_ready()
            self._batch(
                f"link add {own} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                f"link set {own} addrgenmode none up",
                *(f"link set {tap} txqueuelen {_QUEUE} addrgenmode none" for tap in (near, far)),
                f"link set {near} master {own} up",
                f"link set {far} master {self._bridge} up",
                f"link set {self._port} master {own}",
            )
        except BaseException:
            self._remove()
            raise

    def _leave(self) -> None:
        """Let what is under way arrive, then take the forwarder out of the way."""
        if not self.present:
            return
        if not self.broken:
            deadline = time.monotonic() + _DRAIN_SECONDS
            while self._ask(Order(conditions=Conditions())).waiting and time.monotonic() < deadline:
                time.sleep(_POLL)
        self._remove()

    def _remove(self) -> None:
        self._batch(f"link set {self._port} master {self._bridge}")
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_PATIENCE)
            self._process = None
        with contextlib.suppress(WiringError):  # it was not made yet
            self._batch(f"link delete {self._names[0]}")
        self._socket.unlink(missing_ok=True)

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not self._socket.exists():
            if self.broken or time.monotonic() > deadline:
                raise WiringError(f"the line before {self._port} does not start")
            time.sleep(_POLL)

    @property
    def _socket(self) -> Path:
        return self._directory / self._names[0]

    def _ask(self, order: Order) -> Report:
        """Raises WiringError when the forwarder does not answer."""
        if self.broken:
            raise WiringError("cut: its program ended; the next change of the line mends it")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
            asking.settimeout(_PATIENCE)
            try:
                asking.connect(str(self._socket))
                asking.send(msgspec.json.encode(order))
                return msgspec.json.decode(asking.recv(65_536), type=Report)
            except OSError as error:
                raise WiringError(f"the line before {self._port} does not answer: {error}") from error

    def _batch(self, *lines: str) -> None:
        namespaces.batch(self._namespace, lines)
