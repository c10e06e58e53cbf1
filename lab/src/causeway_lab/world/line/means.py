"""What makes a line: two devices, near and far, and something between that treats frames as it is told.

`UserSpace` is the forwarder, which can do everything; `netem.Netem` the kernel, which can do some of it.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from causeway_lab.world import namespaces
from causeway_lab.world.line.conditions import Conditions
from causeway_lab.world.line.forwarder import Order, Report
from causeway_lab.world.namespaces import WiringError
from causeway_wire.types import IPAddress

_PATIENCE = 10.0
_POLL = 0.02
_QUEUE = 10_000
"""Frames that wait for the forwarder; of the default of 1000 a burst would lose some."""


class Means(Protocol):
    """One way to make a line between two devices. Methods raise WiringError."""

    name: str
    """As `status` tells it."""

    def start(self) -> None:
        """Make both devices."""

    def change(self, conditions: Conditions) -> None:
        """These conditions from now on."""

    def rebind(self) -> None:
        """Give every flow another outer port."""

    def report(self) -> Report:
        """What became of packets so far."""

    def stop(self) -> None:
        """Remove both devices; nothing to do when there are none."""

    @property
    def pid(self) -> int | None:
        """Of the program that makes it, if one does."""

    @property
    def broken(self) -> bool:
        """Whether it ended by itself."""


class UserSpace:
    """The forwarder, a process between two tap devices."""

    name = "user space"

    def __init__(
        self, namespace: str | None, near: str, far: str, *, path: Path, addresses: Sequence[IPAddress]
    ) -> None:
        """`path` is for its socket; it tells of packets that are too big from the addresses."""
        self._namespace = namespace
        self._devices = (near, far)
        self._path = path
        self._addresses = tuple(map(str, addresses))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def broken(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        command = (
            sys.executable,
            *("-m", "causeway_lab.world.line.forwarder", *self._devices, str(self._path)),
            *self._addresses,
        )
        inside = command if self._namespace is None else namespaces.within(self._namespace, *command)
        self._process = subprocess.Popen(inside, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + _PATIENCE
        while not self._path.exists():
            if self.broken or time.monotonic() > deadline:
                raise WiringError(f"the line's program with {self._devices[0]} does not start")
            time.sleep(_POLL)
        namespaces.batch(self._namespace, [f"link set {tap} txqueuelen {_QUEUE}" for tap in self._devices])

    def change(self, conditions: Conditions) -> None:
        self._ask(Order(conditions=conditions))

    def rebind(self) -> None:
        self._ask(Order(rebind=True))

    def report(self) -> Report:
        return self._ask(Order())

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_PATIENCE)
            self._process = None
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def _ask(self, order: Order) -> Report:
        if self.broken:
            raise WiringError("cut: its program ended; the next change of the line mends it")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
            asking.settimeout(_PATIENCE)
            try:
                asking.connect(str(self._path))
                asking.send(msgspec.json.encode(order))
                return msgspec.json.decode(asking.recv(65_536), type=Report)
            except OSError as error:
                raise WiringError(f"the line's program does not answer: {error}") from error
