"""`causeway update`: one sentence at the end, whatever came of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from typer.testing import CliRunner, Result

from causeway_controller.cli.main import app
from causeway_controller.fleet import updates
from causeway_controller.trust import pki
from causeway_wire.routes import Permission
from causeway_wire.update import Slot, SlotReport, SlotState, UpdateStatus
from tests.fakes import slots
from tests.fakes.agent_server import ADDRESS, AgentServer
from tests.update_files import make

ME = "acme-provider"
NOW = datetime.now(UTC)
AUTHORITY = pki.make_controller_authority(name="controllers", now=NOW)


def run(directory: Path, file: Path, port: int, *more: str) -> Result:
    """The command, with a controller's certificate."""
    key = pki.make_key()
    certificate = pki.issue_controller(
        AUTHORITY, key.public_key(), name="c1", permissions=tuple(Permission), now=NOW
    )
    (directory / "controller.pem").write_text(certificate)
    (directory / "controller.key").write_bytes(pki.private_pem(key))
    (directory / "agents.pem").write_text(AUTHORITY.pem)
    words = ["update", str(file), "--appliance", ME, "--address", ADDRESS, "--port", str(port)]
    for option, name in (("certificate", "controller.pem"), ("key", "controller.key")):
        words += [f"--{option}", str(directory / name)]
    return CliRunner().invoke(app, [*words, "--authority", str(directory / "agents.pem"), *more])


def test_a_file_that_is_no_update_is_one_sentence(tmp_path: Path) -> None:
    """It was cut at eighty columns, within the file's name."""
    (tmp_path / "x.update").write_text("no")
    result = run(tmp_path, tmp_path / "x.update", 1)
    assert (result.exit_code, result.stdout) == (1, "")
    (said,) = (line for line in result.stderr.splitlines() if line.startswith("causeway: "))
    assert f"{tmp_path / 'x.update'} cannot be read as an update file" in said, "on one line"


def test_who_one_is_that_cannot_be_read_is_told_with_the_files_to_look_at(tmp_path: Path) -> None:
    make(tmp_path)
    gone = str(tmp_path / "gone.pem")
    result = run(tmp_path, tmp_path / "causeway-2.update", 1, "--authority", gone)
    words = " ".join(result.output.replace("\n", "").split())
    assert (result.exit_code, "no such file or directory" in words, "[Errno" in words) == (1, True, False)
    assert gone in result.output.replace("\n", "")


@pytest_asyncio.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AgentServer]:
    """An appliance, and no pause between two looks at it."""
    monkeypatch.setattr(updates, "POLL_SECONDS", 0.01)
    server = AgentServer(appliance=ME, directory=tmp_path, controller_ca=AUTHORITY.pem)
    names = [x509.UniformResourceIdentifier(pki.APPLIANCE_URN + ME)]
    key = server.key("agent").public_key()
    server.install(
        pki.pem(AUTHORITY.issue(key, common_name=ME, usage=pki.Usage.SERVER, names=names, now=NOW))
    )
    async with server.serving():
        yield server


async def test_what_runs_afterwards_is_told(
    server: AgentServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(tmp_path)
    running = SlotReport(slot=Slot.A, state=SlotState.GOOD, version="2", build=made.build)
    monkeypatch.setattr(slots, "RUNNING", running)
    result = await asyncio.to_thread(run, tmp_path, tmp_path / "causeway-2.update", server.port)
    assert result.exit_code == 0, result.output
    assert "acme-provider runs 2 in slot a." in result.output
    words = (tmp_path, tmp_path / "causeway-2.update", server.port, "--json")
    shown = await asyncio.to_thread(run, *words)
    assert json.loads(shown.stdout) == {"appliance": ME, "version": "2", "slot": "a"}


async def test_an_older_system_is_sent_only_when_the_command_says_so(
    server: AgentServer, tmp_path: Path
) -> None:
    make(tmp_path)
    server.slots.older = True
    result = await asyncio.to_thread(run, tmp_path, tmp_path / "causeway-2.update", server.port)
    assert result.exit_code == 1
    assert "it is older" in " ".join(result.output.split())
    assert server.slots.other == slots.EMPTY
    with pytest.MonkeyPatch.context() as patch:  # what is asked is enough here
        asked = []

        async def install(
            _agent: object, _file: object, *, allow_older: bool, **_more: object
        ) -> UpdateStatus:
            asked.append(allow_older)
            return await server.slots.status()

        patch.setattr(updates, "install", install)
        words = (tmp_path, tmp_path / "causeway-2.update", server.port, "--allow-older")
        assert (await asyncio.to_thread(run, *words)).exit_code == 0
    assert asked == [True]
