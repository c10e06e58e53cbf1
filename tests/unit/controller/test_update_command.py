"""`causeway update`: one sentence at the end, whatever came of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner, Result

from causeway_controller import pki
from causeway_controller.cli import app
from causeway_controller.fleet import updates
from causeway_wire.routes import Permission
from causeway_wire.update import Slot, SlotReport, SlotState
from tests.fakes import slots
from tests.fakes.agent_server import ADDRESS, AgentServer
from tests.update_files import make

ME = "acme-provider"
NOW = datetime.now(UTC)
AUTHORITY = pki.make_controller_authority(name="controllers", now=NOW)


def run(directory: Path, file: Path, port: int) -> Result:
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
    return CliRunner().invoke(app, [*words, "--authority", str(directory / "agents.pem")])


def test_a_file_that_is_no_update_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.update").write_text("no")
    result = run(tmp_path, tmp_path / "x.update", 1)
    assert result.exit_code == 1
    assert "cannot be read as an update file" in " ".join(result.output.split())


async def test_what_runs_afterwards_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "POLL_SECONDS", 0.01)
    made = make(tmp_path)
    server = AgentServer(appliance=ME, directory=tmp_path, controller_ca=AUTHORITY.pem)
    names = [x509.UniformResourceIdentifier(pki.APPLIANCE_URN + ME)]
    key = server.key("agent").public_key()
    server.install(
        pki.pem(AUTHORITY.issue(key, common_name=ME, usage=pki.Usage.SERVER, names=names, now=NOW))
    )
    running = SlotReport(slot=Slot.A, state=SlotState.GOOD, version="2", build=made.build)
    monkeypatch.setattr(slots, "RUNNING", running)
    async with server.serving():
        result = await asyncio.to_thread(run, tmp_path, tmp_path / "causeway-2.update", server.port)
    assert result.exit_code == 0, result.output
    assert "acme-provider runs 2 in slot a." in result.output
