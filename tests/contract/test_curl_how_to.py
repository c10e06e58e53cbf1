"""Every command of the page about curl, run in its order against an agent behind real mutual TLS."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from causeway_wire import codec
from tests.agents import APPLIANCE, tenant
from tests.served import LOOPBACK, besieged

PAGE = Path(__file__).parents[2] / "docs/how-to/use-the-api-with-curl.md"
_STATUS = re.compile(r"    # (\d{3})$")


def commands() -> list[str]:
    """What the page shows as code, a command a line."""
    code = [line[4:] for line in PAGE.read_text().splitlines() if line.startswith("    ")]
    return "\n".join(code).replace("\\\n", "").splitlines()


def script(port: int) -> str:
    """The page's commands for an agent on this port; each tells what it printed where that is said."""
    where = f"AGENT={APPLIANCE} ADDRESS={LOOPBACK} PORT={port}"
    lines = ["set -eu"]
    for number, command in enumerate(commands()):
        plain = where if command.startswith("AGENT=") else _STATUS.sub("", command)
        lines.append(f"echo 'command {number}'\n{plain}")
    return "\n".join(lines)


def test_every_command_answers_as_the_page_says(tmp_path: Path, unused_tcp_port: int) -> None:
    if shutil.which("curl") is None:
        pytest.fail("curl is missing; scripts/setup installs it")
    with besieged(tmp_path, unused_tcp_port) as agent:
        for name in ("controller.pem", "controller.key"):
            (tmp_path / name).write_bytes((agent.directory / "client.pem").read_bytes())
        (tmp_path / "document.json").write_bytes(codec.encode(tenant(1)))
        done = subprocess.run(
            ("bash", "-c", script(unused_tcp_port)),
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    answer = tmp_path / "answer.json"
    assert done.returncode == 0, (done.stdout, done.stderr, answer.exists() and answer.read_text())
    printed = dict(re.findall(r"^command (\d+)\n(\d{3})$", done.stdout, re.MULTILINE))
    expected = {
        str(number): match[1]
        for number, command in enumerate(commands())
        if (match := _STATUS.search(command)) is not None
    }
    assert len(expected) > 10
    assert printed == expected
