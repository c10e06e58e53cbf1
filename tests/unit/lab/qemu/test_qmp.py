"""QEMU's machine protocol, against a socket that speaks it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from causeway_controller.hypervisors.base import HypervisorError
from causeway_lab.qemu import qmp

GREETING: dict[str, Any] = {"QMP": {"version": {}, "capabilities": []}}
EVENT = {"event": "POWERDOWN", "data": {}}


@contextlib.asynccontextmanager
async def machine(socket: Path, answer: Callable[[str], list[dict[str, Any]]]) -> AsyncIterator[None]:
    """A machine that answers each command with these lines; without any it hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(GREETING).encode() + b"\n")
        while line := await reader.readline():
            lines = answer(json.loads(line)["execute"])
            if not lines:
                break
            writer.write(b"".join(json.dumps(each).encode() + b"\n" for each in lines))
        writer.close()

    server = await asyncio.start_unix_server(talk, path=str(socket))
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()


async def test_events_between_question_and_answer_are_passed_over(tmp_path: Path) -> None:
    async with machine(tmp_path / "qmp", lambda command: [EVENT, {"return": command}]):
        assert await qmp.execute(tmp_path / "qmp", "query-status") == "query-status"


async def test_a_refusal_says_what_was_asked_and_why_not(tmp_path: Path) -> None:
    def answer(command: str) -> list[dict[str, Any]]:
        refused = {"error": {"class": "GenericError", "desc": "not now"}}
        return [{"return": {}}] if command == "qmp_capabilities" else [refused]

    async with machine(tmp_path / "qmp", answer):
        with pytest.raises(HypervisorError, match="system_powerdown: not now"):
            await qmp.execute(tmp_path / "qmp", "system_powerdown")


async def test_a_machine_that_hangs_up_is_an_error(tmp_path: Path) -> None:
    async with machine(tmp_path / "qmp", lambda _: []):
        with pytest.raises(HypervisorError, match="hung up"):
            await qmp.execute(tmp_path / "qmp", "quit")


async def test_a_machine_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HypervisorError, match="no machine answers"):
        await qmp.execute(tmp_path / "qmp", "quit")


async def test_silence_ends_in_time(tmp_path: Path) -> None:
    async with machine(tmp_path / "qmp", lambda _: [EVENT]):
        with pytest.raises(HypervisorError, match="in time"):
            await qmp.execute(tmp_path / "qmp", "quit", patience=0.05)
