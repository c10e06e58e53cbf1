"""The console's page: complete with the agent dead, without secrets, harmless to terminals."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from causeway_agent import __main__ as program
from causeway_agent import settings
from causeway_agent.backends.host import hardware
from causeway_agent.backends.host.identity_files import ENROLLED, IDENTITY
from causeway_agent.backends.host.storage import DirectoryStorage
from causeway_agent.backends.kernel import interface_addresses
from causeway_agent.engine.ports import Credentials
from causeway_agent.first_boot import boot, console, console_service, rendering
from causeway_agent.first_boot.console import Subject
from causeway_wire import codec
from tests import seeds
from tests.seeds import SETTINGS, Box, found


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    (tmp_path / "run").mkdir()
    (tmp_path / "ssh").mkdir()
    return Subject(settings=tmp_path / SETTINGS, run_directory=tmp_path / "run", host_keys=[tmp_path / "ssh"])


def configure(subject: Subject) -> DirectoryStorage:
    """Settings as first boot leaves them; returns the state directory."""
    box = Box()
    box.importer.take(found(seeds.seed()), box.importer.remember())
    document = json.loads(box.etc.files[SETTINGS])
    state = subject.settings.parent / "state"
    document |= {"run_directory": str(subject.run_directory), "state_directory": str(state)}
    subject.settings.write_text(json.dumps(document))
    return DirectoryStorage(state)


def test_a_fresh_machine_shows_its_adapters_and_what_it_waits_for(subject: Subject) -> None:
    (subject.run_directory / rendering.STATUS).write_text(f"{boot.WAITING}\n")
    text = console.compose(subject)
    assert "not configured yet" in text
    assert "first boot  waiting for a seed" in text
    assert all(mac in text for mac in hardware.adapters())


def test_with_the_agent_dead_the_page_says_who_and_where(subject: Subject) -> None:
    state = configure(subject)
    state.write(ENROLLED, b"")
    text = console.compose(subject)
    assert "acme-provider, provider" in text
    assert "the agent does not run" in text
    assert "192.0.2.10, agent on port 8443, SSH on port 22" in text
    assert "enrolled    yes" in text
    for interfaces in interface_addresses.read().values():
        assert all(str(interface) in text for interface in interfaces)


def test_fingerprints_are_those_that_other_programs_print(subject: Subject) -> None:
    key = base64.b64encode(b"a host key").decode()
    (subject.host_keys[0] / "ssh_host_ed25519_key.pub").write_text(f"ssh-ed25519 {key} \n")
    state = configure(subject)
    certificate = seeds.authority()
    state.write(IDENTITY, codec.encode(Credentials(key="/k", certificate=certificate, controller_ca="")))
    text = console.compose(subject)
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest().upper()
    shown = "".join(text.split()).replace(":", "")
    assert digest in shown
    ssh = base64.b64encode(hashlib.sha256(b"a host key").digest()).decode().rstrip("=")
    assert f"SHA256:{ssh} ed25519" in text


def test_no_line_is_wider_than_a_terminal_and_none_tells_the_token(subject: Subject) -> None:
    configure(subject)
    text = console.compose(subject)
    assert max(map(len, text.splitlines())) <= 80
    assert seeds.TOKEN not in text


def test_escape_sequences_do_not_reach_the_terminal(subject: Subject) -> None:
    (subject.run_directory / rendering.STATUS).write_text("\x1b]0;owned\x07 \x9b2J")
    assert not {"\x1b", "\x07", "\x9b"} & set(console.compose(subject))


def test_damaged_settings_are_a_line_of_the_page(subject: Subject) -> None:
    subject.settings.write_text("{")
    assert "the text ends too early" in console.compose(subject)


def test_a_recorded_line_gets_the_page_only_when_it_changed(subject: Subject, tmp_path: Path) -> None:
    class Enough(Exception):  # noqa: N818 - ends the endless
        pass

    pauses = 0

    def pause(_seconds: float) -> None:
        nonlocal pauses
        pauses += 1
        if pauses == 3:
            (subject.run_directory / rendering.STATUS).write_text("changed\n")
        if pauses == 5:
            raise Enough

    line, issue = tmp_path / "serial", tmp_path / "issue.d" / "causeway.issue"
    line.touch()
    with pytest.raises(Enough):
        console.show(subject, terminals=[line], issue=issue, pause=pause)
    assert pauses == 5
    # Each page overwrites the file from its beginning; a terminal would have got both.
    assert line.read_text().count("Causeway network extension appliance") == 1
    assert "changed" in issue.read_text()


def test_the_command_prints_the_page(subject: Subject, capsys: pytest.CaptureFixture[str]) -> None:
    configure(subject)
    with pytest.raises(SystemExit) as ended:
        program.main(
            [
                *("--settings", str(subject.settings)),
                *("console", "--once", "--run-directory", str(subject.run_directory)),
            ]
        )
    assert ended.value.code == 0
    assert "acme-provider" in capsys.readouterr().out


def test_the_service_shows_the_page_and_loads_little(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configure(subject)
    terminal = tmp_path / "tty"
    terminal.write_bytes(b"")
    monkeypatch.setattr(settings, "DEFAULT_PATH", subject.settings)
    monkeypatch.setattr(console_service, "RUN_DIRECTORY", subject.run_directory)
    (subject.run_directory / rendering.STATUS).write_text("a \\ in it\n")
    words = [str(tmp_path / "issue"), str(terminal)]
    console_service.main(words)
    assert "acme-provider" in terminal.read_text()
    assert "acme-provider" in (tmp_path / "issue").read_text()
    terminal.write_bytes(b"")
    console_service.main(words)
    assert terminal.read_bytes() == b"", "a line that is recorded gets a page once"
    (subject.run_directory / rendering.STATUS).write_text("changed\n")
    console_service.main(words)
    assert "changed" in terminal.read_text()
    loaded = subprocess.run(
        [sys.executable, "-c", f"import sys, {console_service.__name__}; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    heavy = ("asyncio", "argparse", "causeway_agent.engine", "causeway_agent.plan", "causeway_agent.__main__")
    assert [name for name in loaded if name.startswith(heavy)] == []
