"""Whether somebody else changed nftables: the generation tells, a number that every transaction raises.

It is asked for now and then. As long as anybody on a host listens for changes of nftables (NFNLGRP_NFTABLES,
in whatever network namespace), the kernel makes a message of every rule and element that changes: for 100,000
public rules, that takes it longer than the change itself.
"""

from __future__ import annotations

import atexit
import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from causeway_agent.backends.filter import nfnetlink

_NETFILTER = 12
_GET_GENERATION = 10 << 8 | 16
_REQUEST = 1
_HEADER = struct.Struct("=IHHII")
_ERROR = 2
_GENERIC = 4
_ID = 1
_READ = 4096


@dataclass(slots=True)
class Ours:
    """A change of our own while it is made."""

    transactions: int = 1
    """How many it may take; fewer are fine."""


class Generations:
    """Tells our own transactions from those of others. For all threads of one network namespace."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way = 0
        self._known: int | None = None
        self._foreign = 0

    @contextlib.contextmanager
    def ours(self) -> Iterator[Ours]:
        """What happens in the block is our own doing; raises OSError when nftables cannot be asked."""
        with self._lock:
            self._under_way += 1
        change = Ours()
        try:
            before = now()
            yield change
            after = now()
            with self._lock:
                if self._known in (None, before) and after - before <= change.transactions:
                    self._known = after
        finally:
            with self._lock:
                self._under_way -= 1

    def foreign(self) -> int:
        """How many times changes of others were met so far; raises OSError when nftables cannot be asked."""
        with self._lock:
            if self._under_way:
                return self._foreign  # asked again when it is over
            found = now()
            if self._known not in (None, found):
                self._foreign += 1
            self._known = found
            return self._foreign


class _Question:
    """Asks for the number, over a socket that stays open (`nfnetlink.KeptLink` says why)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def ask(self) -> memoryview:
        """The kernel's answer; raises OSError."""
        body = nfnetlink.generic(socket.AF_UNSPEC)
        with self._lock:
            sock, self._socket = self._socket or _open(), None
            try:
                sock.send(_HEADER.pack(_HEADER.size + len(body), _GET_GENERATION, _REQUEST, 1, 0) + body)
                # The kernel answers while the question is being sent (netlink(7)): nothing is waited for.
                answer = memoryview(sock.recv(_READ))
            except BaseException:
                sock.close()
                raise
            self._socket = sock
        return answer


GENERATIONS = Generations()
"""Of this process: it lives in one network namespace."""
_QUESTION = _Question()


def now() -> int:
    """The number of the last transaction in this network namespace, whoever made it; raises OSError."""
    answer = _QUESTION.ask()
    _, kind, *_ = _HEADER.unpack_from(answer)
    content = answer[_HEADER.size :]
    if kind == _ERROR:
        raise OSError(-struct.unpack_from("=i", content)[0], "nftables has no generation")
    return int.from_bytes(dict(nfnetlink.attributes(content[_GENERIC:]))[_ID], "big")


def _open() -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    sock = socket.socket(socket.AF_NETLINK, kind, _NETFILTER)
    atexit.register(sock.close)
    return sock
