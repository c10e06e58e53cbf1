"""Answers one request on one socket."""

from __future__ import annotations

import fcntl
import io
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from causeway_agent.backends.host import slot_protocol
from causeway_agent.backends.host.slot_protocol import Abandon, Activate, Receive, Reply, Request, Status
from causeway_agent.slots import installing
from causeway_agent.slots.archive import CHUNK, Archive
from causeway_agent.slots.disk import Disk
from causeway_agent.slots.installing import Here, Verify
from causeway_wire.problem import Problem, ProblemError, ProblemType, problem
from causeway_wire.update import UpdateStatus

FAREWELL_SECONDS = 10.0
"""How long an answer waits to be read."""


def serve(
    connection: socket.socket,
    look: Callable[[], tuple[Here, Disk]],
    *,
    esp: Path,
    verify: Verify,
    restart: Callable[[], None],
) -> None:
    """Read the request, do it, answer; after an activation restart. `esp`: a directory to lock meanwhile."""
    with connection, connection.makefile("rb") as stream:
        done = False
        try:
            request = slot_protocol.request(stream.readline(slot_protocol.LINE_LIMIT))
            here, disk = look()
            reply = Reply(status=_do(request, stream, here, disk, esp=esp, verify=verify))
            done = isinstance(request, Activate)
        except ProblemError as error:
            reply = Reply(problem=error.problem)
        except msgspec.DecodeError as error:
            reply = Reply(problem=problem(ProblemType.MALFORMED, str(error)))
        except OSError as error:
            reply = Reply(problem=_refusal(error))
        try:
            _answer(connection, stream, reply)
        finally:
            if done:
                restart()


def _do(
    request: Request, stream: io.BufferedReader, here: Here, disk: Disk, *, esp: Path, verify: Verify
) -> UpdateStatus:
    if isinstance(request, Status):
        return installing.status(disk, here)
    with _alone(esp):
        match request:
            case Receive(octets, sha256, allow_older):
                archive = Archive(stream.read, octets=octets)
                installing.receive(disk, here, archive, sha256, verify=verify, allow_older=allow_older)
            case Activate(activation):
                installing.activate(disk, here, activation)
            case Abandon():
                installing.abandon(disk, here)
        return installing.status(disk, here)


@contextmanager
def _alone(esp: Path) -> Iterator[None]:
    descriptor = os.open(esp, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        detail = "the one before is still being written or checked; ask for its state"
        raise ProblemError(problem(ProblemType.UPDATE_IN_PROGRESS, detail, retry_after=5.0)) from error
    finally:
        os.close(descriptor)


def _answer(connection: socket.socket, stream: io.BufferedReader, reply: Reply) -> None:
    """Send the answer, and take what is still coming: a socket closed over it would swallow the answer."""
    try:
        connection.sendall(slot_protocol.encode(reply))
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(FAREWELL_SECONDS)
        while stream.read1(CHUNK):
            pass
    except OSError:
        return  # whoever asked has gone


def _refusal(error: OSError) -> Problem:
    return problem(ProblemType.UNAVAILABLE, f"the disk refuses: {error.strerror or error}")
