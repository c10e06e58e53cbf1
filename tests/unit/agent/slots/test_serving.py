"""One connection is one request; every end of it is an answer that arrives."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from causeway_agent.backends.host import slot_protocol
from causeway_agent.backends.host.slot_protocol import Activate, Receive, Reply, Request, Status
from causeway_agent.slots import serving
from causeway_wire.problem import ProblemType
from causeway_wire.update import Activation, Slot, SlotState, UpdateState
from tests.fakes.disk import FakeDisk
from tests.update_files import HERE, Made, lenient, make


class Program:
    """The program, started anew for each request."""

    def __init__(self, esp: Path) -> None:
        self.disk, self.esp, self.restarts = FakeDisk(), esp, 0

    def ask(self, request: Request | bytes, file: bytes = b"") -> Reply:
        """What it answers."""
        with self.connected() as here:
            line = request if isinstance(request, bytes) else slot_protocol.encode(request)
            here.sendall(line)
            sender = threading.Thread(target=self._send, args=(here, file))
            sender.start()
            answer = here.makefile("rb").readline()
            here.shutdown(socket.SHUT_RDWR)
            sender.join()
        return slot_protocol.reply(answer)

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        """A connection to it; at the end it has ended."""
        here, there = socket.socketpair()
        thread = threading.Thread(
            target=serving.serve,
            args=(there, lambda: (HERE, self.disk)),
            kwargs={"esp": self.esp, "verify": lenient, "restart": self.restart},
        )
        thread.start()
        with here:
            yield here
        thread.join()

    def restart(self) -> None:
        self.restarts += 1

    @staticmethod
    def _send(here: socket.socket, file: bytes) -> None:
        try:
            here.sendall(file)
        except OSError:
            return


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("update"))


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_an_update_is_received_and_activated_with_a_restart(program: Program, made: Made) -> None:
    reply = program.ask(Receive(len(made.content), made.sha256), made.content)
    assert reply.status is not None
    assert reply.status.state is UpdateState.READY
    assert program.restarts == 0
    reply = program.ask(Activate(Activation(build=made.build)))
    assert reply.status is not None
    assert reply.status.next is Slot.B
    assert program.restarts == 1


def test_what_is_refused_early_is_answered_though_more_is_coming(program: Program, made: Made) -> None:
    reply = program.ask(Receive(1 << 24, made.sha256), b"x" * (1 << 24))
    assert reply.problem is not None
    assert reply.problem.type == ProblemType.UPDATE_REFUSED.urn


def test_a_refused_activation_restarts_nothing(program: Program) -> None:
    reply = program.ask(Activate(Activation(build="0" * 64)))
    assert reply.problem is not None
    assert reply.problem.type == ProblemType.UPDATE_NOT_READY.urn
    assert program.restarts == 0


def test_whoever_goes_away_leaves_an_empty_slot(program: Program, made: Made) -> None:
    with program.connected() as here:
        here.sendall(slot_protocol.encode(Receive(len(made.content), made.sha256)))
        here.sendall(made.content[:-2000])
    reply = program.ask(Status())
    assert reply.status is not None
    assert reply.status.report(Slot.B).state is SlotState.EMPTY


def test_two_at_once_are_kept_apart_and_status_is_told_meanwhile(program: Program, made: Made) -> None:
    with program.connected() as first:
        first.sendall(slot_protocol.encode(Receive(len(made.content), made.sha256)) + made.content[:5000])
        while not program.disk.taken:  # what it forgets, it forgets with the lock held
            pass
        reply = program.ask(Receive(len(made.content), made.sha256), made.content)
        assert reply.problem is not None
        assert reply.problem.type == ProblemType.UPDATE_IN_PROGRESS.urn
        assert program.ask(Status()).status is not None


def test_a_disk_that_refuses_is_told(program: Program, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(program.disk, "fill", broken)
    reply = program.ask(Receive(len(made.content), made.sha256), made.content)
    assert reply.problem is not None
    assert reply.problem.detail == "the disk refuses: Input/output error"


@pytest.mark.parametrize("line", [b"\n", b"what?\n", b'{"type":"format"}\n'])
def test_nonsense_is_answered(program: Program, line: bytes) -> None:
    reply = program.ask(line)
    assert reply.problem is not None
    assert reply.problem.type == ProblemType.MALFORMED.urn
