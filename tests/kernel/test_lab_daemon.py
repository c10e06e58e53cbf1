"""The command with a lab in the background: two side by side, used, killed, ended; nothing is left."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from causeway_controller.failover.extension import told as limits_of
from causeway_lab.commands import line_options
from causeway_lab.service import daemon
from causeway_lab.service.client import LabClient
from causeway_wire.desired import Extension

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(180)]

ADDRESS = "192.168.10.12"
PAGE = Path(__file__).parents[2] / "docs/how-to/try-a-bad-line.md"


class Commands:
    """Runs `causeway lab` with a state directory of the test's own."""

    def __init__(self, state: Path) -> None:
        self.environment = {**os.environ, "XDG_STATE_HOME": str(state), "COLUMNS": "200"}

    def __call__(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "causeway_controller.cli.main", "lab", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def causeway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    yield Commands(tmp_path)
    for name in ("one", "two"):
        client = LabClient(name)
        if client.running():
            os.kill(client.pid(), signal.SIGKILL)


def _guests() -> set[str]:
    """The guest programs that run below this namespace, by process number."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if b"causeway_lab.world.guest" in (entry / "cmdline").read_bytes():
                    found.add(entry.name)
            except OSError:
                continue
    return found


def test_two_labs_side_by_side_from_start_to_end(causeway: Commands) -> None:
    before = _guests()
    assert "there is no lab one" in causeway("status", "--name", "one", code=1)
    causeway("up", "--name", "one")
    causeway("up", "--name", "two")
    assert "up already" in causeway("up", "--name", "one", code=1)
    assert "first packet" in causeway("failover", "acme/db1", "--name", "one")
    answered = causeway("exec", "--name", "one", "acme/web1", "ping", "-c1", ADDRESS)
    assert "ttl=62" in answered
    answered = causeway("exec", "--name", "two", "acme/web1", "ping", "-c1", ADDRESS)
    assert "ttl=64" in answered
    assert "power that machine off first" in causeway(
        "failover", "acme/db1", "--keep-original", "--name", "two", code=1
    )
    assert "provider" in causeway("status", "--name", "one")
    causeway("undo", "acme/db1", "--name", "one")
    assert "not failed over" in causeway("undo", "acme/db1", "--name", "one", code=1)
    both = _guests() - before
    os.kill(LabClient("two").pid(), signal.SIGKILL)
    deadline = time.monotonic() + 10
    while LabClient("two").running() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "there is no lab two" in causeway("status", "--name", "two", code=1)
    assert _guests() - before < both
    causeway("down", "--name", "one")
    assert not _guests() - before
    assert not (LabClient("one").directory / daemon.SOCKET).exists()


def test_a_whole_site_by_commands(causeway: Commands) -> None:
    causeway("up", "--name", "one")
    lab = ("--name", "one")
    assert "power on to ready" in causeway("rehearse", "acme", *lab)
    assert "rehearsed" in causeway("status", *lab)
    causeway("rehearse", "acme", "--end", *lab)
    assert "first public packet" in causeway("failover", "--full", "acme", *lab)
    causeway("publish", "acme/app2", "8081", "--port", "80", *lab)
    assert "port 22" in causeway("publish", "acme/web1", "22", *lab, code=1)
    shown = causeway("status", *lab)
    assert "198.51.100.11 tcp 8081" in shown
    causeway("unpublish", "acme/app2-tcp-4-8081", *lab)
    causeway("undo", "--full", "acme", "--keep", "acme/db1", *lab)
    assert "partial" in causeway("status", *lab)


def test_a_bridged_lab_tells_its_limits_and_extends_by_frames(causeway: Commands) -> None:
    lab = ("--name", "one")
    shown = causeway("up", *lab, "--extension", "bridged")
    assert all(line in shown for line in limits_of(Extension.BRIDGED))
    assert "first packet" in causeway("failover", "acme/db1", *lab)
    # A router in between would have taken two off.
    assert "ttl=64" in causeway("exec", *lab, "acme/web1", "ping", "-c1", ADDRESS)
    causeway("undo", "acme/db1", *lab)


def test_a_stolen_certificate_by_commands(causeway: Commands) -> None:
    causeway("up", "--name", "one")
    lab = ("--name", "one")
    causeway("failover", "acme/db1", *lab)
    assert "acme/net1" in causeway("revoke", "client", "acme/nothing", *lab, code=1)
    assert "--serial" in causeway("revoke", "controller", *lab, code=1)
    shown = causeway("revoke", "client", "acme/net1", *lab, "--json")
    (revoked,) = json.loads(next(line for line in shown.splitlines() if line.startswith("[")))
    assert (revoked["holder"], revoked["tenant"]) == ("client", "acme")
    refused = f"serial={revoked['serial']} is revoked"
    assert appears(refused, lambda: causeway("exec", *lab, "acme-sp", "causeway-agent", "status", "--json"))
    assert json.loads(causeway("status", *lab, "--json"))["revoked"] == [revoked]
    assert "is not revoked" in causeway("take-back", "1", *lab, code=1)
    assert "[]" in causeway("take-back", revoked["serial"], *lab, "--json").splitlines()
    assert appears("ttl=62", lambda: causeway("exec", *lab, "acme/web1", *PING))


PING = ("sh", "-c", f"ping -c1 -W1 {ADDRESS} || true")


def appears(text: str, shown: Callable[[], str]) -> bool:
    """Whether it is shown within a while."""
    deadline = time.monotonic() + 40
    while text not in shown():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.3)
    return True


def test_a_line_by_commands(causeway: Commands) -> None:
    causeway("up", "--name", "one")
    lab = ("--name", "one")
    assert "nothing in the way" in causeway("status", *lab)
    options = ("--delay", "40ms", "--jitter", "20ms", "--mtu", "1400", "--no-icmp")
    causeway("line", "acme", *options, *lab)
    causeway("line", "acme", "--loss", "50%", "--direction", "down", *lab)
    shown = causeway("status", *lab)
    assert "up: 40 ms ± 20 ms, MTU 1400 without ICMP" in shown
    assert "down: 40 ms ± 20 ms, 50 % lost, MTU 1400 without ICMP" in shown
    for wrong in (("--loss", "200%"), ("--delay", "40"), ("--mtu", "12"), ("--block", "icmp")):
        assert wrong[0] in causeway("line", "acme", *wrong, *lab, code=1)
    assert "there is no tenant nobody" in causeway("line", "nobody", "--loss", "1%", *lab, code=1)
    assert "the lab has no machine nobody; it has" in causeway("exec", *lab, "nobody", "ls", code=1)
    assert "--line" in causeway("demo", "--line", "--nonsense", code=1)
    causeway("line", "acme", "--clear", *lab)
    assert "without ICMP" not in causeway("status", *lab)


def test_the_page_about_bad_lines_does_what_it_says(causeway: Commands) -> None:
    """Its first commands, word for word; and the lines that people have are lines."""
    text = PAGE.read_text(encoding="utf-8")
    block = itertools.takewhile(str.strip, text[text.index("\n    causeway lab up") + 1 :].splitlines())
    commands = [line.removeprefix("    causeway lab ") for line in block]
    assert commands[-1] == "down"
    shown = {command.split()[0]: causeway(*shlex.split(command)) for command in commands}
    answered = re.search(r"10 packets transmitted, (\d+) received", shown["exec"])
    assert answered is not None
    assert int(answered[1]) > 5
    assert "40 ms ± 20 ms, 1 % lost, MTU 1400 without ICMP" in shown["status"]
    assert "there is no lab" in causeway("status", code=1)
    people = text[text.index("Lines that people have:") : text.index("## What became of packets")]
    lines = re.findall(r"^\| .+ \| `(--.+)` \|$", people, re.MULTILINE)
    assert len(lines) > 5
    assert not any(line_options.conditions(line).clear for line in lines)
