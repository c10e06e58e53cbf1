"""The tutorial, executed word for word: two controllers, from the invitation to failback, on real packets."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from causeway_lab.service.client import LabClient

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(900)]

PAGE = Path(__file__).parents[2] / "docs/tutorial.md"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path, for sockets; the lab there is ended whatever happens."""
    with tempfile.TemporaryDirectory(prefix="cw-") as made:
        monkeypatch.setenv("XDG_STATE_HOME", made)
        monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        client = LabClient("default")
        yield Path(made)
        if client.running():
            os.kill(client.pid(), signal.SIGKILL)
            client.wait_gone()


def commands() -> str:
    """Everything on the page that a reader types."""
    blocks = re.findall(r"(?:^ {4}.*\n)+", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return re.sub(r"^ {4}", "", "".join(blocks), flags=re.MULTILINE)


def test_word_for_word(place: Path) -> None:
    typed = commands()
    assert typed.count("\n") > 30
    done = subprocess.run(
        ("bash", "-e", "-o", "pipefail", "-x"),
        input=typed,
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        timeout=860,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.count("1 packets transmitted, 1 received") == 1, "db1 answers"
    assert done.stdout.count("1 packets transmitted, 0 received") == 1, "it is dead"
    assert done.stdout.count("bytes from 192.168.10.12") >= 1 + 3 + 1
    assert "web1-replica" in done.stdout, "the internet's question was answered by the replica"
    assert not LabClient("default").running()
    assert sorted(one.name for one in place.iterdir()) == ["causeway", "site.yaml"]
