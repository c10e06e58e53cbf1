"""The command at a real terminal and at a real pipe: what a person and what a program see."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from causeway_controller import __version__
from causeway_controller.contract.inventory import Inventory
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.run_reports import RunsTold
from tests.controller_socket import AtSocket, at_socket
from tests.provider_inventory import seed_example, tenant

CAUSEWAY = Path(sys.executable).with_name("causeway")
SECONDS = 240
NARROW = {"COLUMNS": "20", "LINES": "5", "TERM": "xterm"}

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[AtSocket]:
    with at_socket(tmp_path) as found:
        yield found


def enter(controller: AtSocket, inventory: Inventory) -> None:
    Inventories(controller.database, now=controller.now).replace(inventory, expected=0, actor="test")


def environment(**more: str) -> dict[str, str]:
    return {"PATH": f"{CAUSEWAY.parent}:/usr/bin:/bin", "HOME": "/", "LANG": "C.UTF-8", **more}


def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (str(CAUSEWAY), *words),
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_the_version_is_said() -> None:
    assert run("--version").stdout == f"causeway {__version__}\n"


@pytest.mark.parametrize("words", [("-h",), ("run", "-h"), ("failover", "partial", "-h"), ("serve", "-h")])
def test_each_level_has_help_by_the_short_option(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert (done.returncode, "Usage: causeway" in done.stdout) == (0, True)
    assert done.stdout == run(*words[:-1], "--help").stdout


def test_what_is_piped_is_never_cut(controller: AtSocket) -> None:
    long = ("longer-than-any-line-of-a-terminal-" * 8)[:200]
    enter(controller, seed_example(tenants=(tenant(description=long),)))
    for words in (("tenant", "list"), ("tenant", "show", "acme"), ("export",)):
        done = run("--socket", str(controller.socket), *words, **NARROW)
        assert done.returncode == 0, done.stderr
        assert long in done.stdout, words
        assert "\x1b" not in done.stdout, "no colours for programs"
        assert "\u2026" not in done.stdout
    listed = run("--socket", str(controller.socket), "tenant", "list", "--json", **NARROW)
    assert json.loads(listed.stdout)["tenants"][0]["description"] == long


def test_a_reader_that_goes_away_is_no_error(controller: AtSocket) -> None:
    """As with `causeway export | head -1`."""
    enter(controller, seed_example())
    done = subprocess.run(
        ("bash", "-c", f"{CAUSEWAY} --socket {controller.socket} export | true; echo ${{PIPESTATUS[0]}}"),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


class Terminal:
    """A command at a terminal of its own."""

    def __init__(self, *words: str) -> None:
        self.pid, self._end = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # tests that run in the background ignore it
            program = str(CAUSEWAY)
            os.execve(program, (program, *words), environment(TERM="xterm"))  # noqa: S606 - no shell is wanted
        self.said = ""

    def until(self, text: str) -> None:
        """Read until this was said."""
        deadline = time.monotonic() + SECONDS
        while text not in self.said:
            assert time.monotonic() < deadline, self.said
            if select.select([self._end], [], [], 1)[0]:
                self.said += os.read(self._end, 65_536).decode()

    def press(self, key: bytes) -> None:
        """As at the keyboard: the terminal sends the signal."""
        os.write(self._end, key)

    def end(self) -> int:
        """Its exit code; everything it said is read."""
        try:
            while octets := os.read(self._end, 65_536):
                self.said += octets.decode()
        except OSError:  # EIO: nobody has the other end any more
            pass
        os.close(self._end)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_ctrl_c_while_following_says_what_goes_on_and_how_to_follow_it(controller: AtSocket) -> None:
    enter(controller, seed_example())
    terminal = Terminal("--socket", str(controller.socket), "failover", "partial", "acme", "db1")
    terminal.until("run r-")
    run_name = terminal.said.partition("run ")[2].split()[0]
    controller.runs.tell(run_name, "started", stage="one")
    terminal.until("stage: one")
    terminal.press(b"\x03")
    assert terminal.end() == 0
    assert f"run {run_name} goes on at the controller" in terminal.said
    assert f"causeway run watch {run_name}" in terminal.said
    assert f"causeway run stop {run_name}" in terminal.said
    assert "Traceback" not in terminal.said
    assert RunsTold(controller.database).open() == 1, "the run itself was not touched"


def test_a_command_that_is_interrupted_before_it_follows_ends_quietly(tmp_path: Path) -> None:
    """Somebody listens at the socket and never answers."""
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "c.sock"))
        deaf.listen()
        deaf.settimeout(SECONDS)
        terminal = Terminal("--socket", str(tmp_path / "c.sock"), "status")
        connection, _ = deaf.accept()
        connection.recv(1)
        os.kill(terminal.pid, signal.SIGINT)
        assert terminal.end() == 130
        connection.close()
    assert "Traceback" not in terminal.said


@pytest.mark.parametrize(
    ("shell", "asking"),
    [
        ("bash", {"COMP_WORDS": "causeway fail", "COMP_CWORD": "1"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "causeway fail"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "causeway fail", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
def test_each_shell_is_told_how_to_complete_and_what(shell: str, asking: dict[str, str]) -> None:
    taught = run(_CAUSEWAY_COMPLETE=f"source_{shell}")
    assert f"_CAUSEWAY_COMPLETE=complete_{shell}" in taught.stdout
    assert "failover" in run(_CAUSEWAY_COMPLETE=f"complete_{shell}", **asking).stdout


def test_bash_completes_by_what_it_was_taught(tmp_path: Path) -> None:
    (tmp_path / "taught").write_text(run(_CAUSEWAY_COMPLETE="source_bash").stdout)
    script = f"""source {tmp_path}/taught
    complete -p causeway >/dev/null
    COMP_WORDS=(causeway failover pa) COMP_CWORD=2 COMPREPLY=()
    _causeway_completion causeway pa failover
    echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ("bash", "-euc", script),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    assert done.stdout.split() == ["partial"]
