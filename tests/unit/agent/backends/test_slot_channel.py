"""The agent and the program that writes slots, over a real socket."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from causeway_agent.backends.host.slot_channel import SocketSlots
from causeway_agent.errors import BackendError
from causeway_agent.slots import serving
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.update import Activation, Slot, SlotState, UpdateState
from tests.fakes.disk import FakeDisk
from tests.update_files import HERE, Made, lenient, make


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("update"))


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """The socket of a service manager that starts the program for each connection."""
    disk, path = FakeDisk(), tmp_path / "socket"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            serving.serve(
                connection, lambda: (HERE, disk), esp=tmp_path, verify=lenient, restart=lambda: None
            )

    thread = threading.Thread(target=accept)
    thread.start()
    yield path
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


async def pieces(content: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]
        await asyncio.sleep(0)


async def test_an_update_goes_through(path: Path, made: Made) -> None:
    slots = SocketSlots(path)
    assert (await slots.status()).state is UpdateState.IDLE
    status = await slots.receive(
        pieces(made.content), octets=len(made.content), sha256=made.sha256, allow_older=False
    )
    assert status.report(Slot.B).build == made.build
    assert (await slots.activate(Activation(build=made.build))).next is Slot.B
    assert (await slots.abandon()).report(Slot.B).state is SlotState.EMPTY


async def test_an_older_one_goes_through_where_it_is_meant(path: Path, tmp_path: Path) -> None:
    old, slots = make(tmp_path, version="0.0.1"), SocketSlots(path)
    octets = len(old.content)
    with pytest.raises(ProblemError) as caught:
        await slots.receive(pieces(old.content), octets=octets, sha256=old.sha256, allow_older=False)
    assert caught.value.problem.type == ProblemType.UPDATE_OLDER.urn
    await slots.receive(pieces(old.content), octets=octets, sha256=old.sha256, allow_older=True)
    with pytest.raises(ProblemError) as caught:
        await slots.activate(Activation(build=old.build))
    assert (caught.value.problem.type, caught.value.problem.pointer) == (
        ProblemType.UPDATE_OLDER.urn,
        "/allow_older",
    )
    assert (await slots.activate(Activation(build=old.build, allow_older=True))).next is Slot.B


async def test_a_refusal_ends_the_upload(path: Path, made: Made) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield bytes(100_000)

    with pytest.raises(ProblemError) as caught:
        await SocketSlots(path).receive(endless(), octets=1 << 40, sha256="0" * 64, allow_older=False)
    assert caught.value.problem.type == ProblemType.UPDATE_REFUSED.urn
    assert sent < 10_000


async def test_an_upload_that_fails_on_our_side_says_why(path: Path, made: Made) -> None:
    async def stops() -> AsyncIterator[bytes]:
        yield made.content[:5000]
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        await SocketSlots(path).receive(
            stops(), octets=len(made.content), sha256=made.sha256, allow_older=False
        )
    assert (await SocketSlots(path).status()).report(Slot.B).state is SlotState.EMPTY


async def test_where_there_is_no_such_program_nothing_can_be_updated(tmp_path: Path) -> None:
    with pytest.raises(ProblemError) as caught:
        await SocketSlots(tmp_path / "nobody").status()
    assert caught.value.problem.type == ProblemType.UPDATE_UNSUPPORTED.urn


async def test_a_program_that_ends_without_a_word_is_a_refusal(tmp_path: Path) -> None:
    async def rude(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_unix_server(rude, tmp_path / "rude"):
        with pytest.raises(BackendError, match="ended without an answer"):
            await SocketSlots(tmp_path / "rude").status()
