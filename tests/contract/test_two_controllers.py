"""Two controllers as their operators have them: a provider's and a tenant's, joined, watched, parted."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from causeway_controller.contract import joining
from tests import sockets

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs/how-to/join-a-provider.md"
CAUSEWAY = Path(sys.executable).with_name("causeway")
SECONDS = 300
"""Generous: CI is slow."""

pytestmark = pytest.mark.timeout(900)


@dataclass
class Site:
    """A controller, its operator's commands, and whoever else is on its host."""

    home: Path
    settings: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{CAUSEWAY.parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "CAUSEWAY_STATE": str(self.home / "state"),
            "CAUSEWAY_SOCKET": str(self.home / "c.sock"),
            **self.settings,
        }

    def run(self, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def causeway(self, *words: str, text: str | None = None) -> str:
        done = self.run(str(CAUSEWAY), *words, text=text)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    @contextmanager
    def serving(self) -> Iterator[subprocess.Popen[bytes]]:
        """Its controller, killed at the end unless it has ended."""
        self.home.mkdir(exist_ok=True)
        self.causeway("setup", "--token-file", str(self.home / "token"))
        with (self.home / "log").open("ab") as log:
            process = subprocess.Popen((str(CAUSEWAY), "serve"), env=self.environment, stderr=log)
        try:
            deadline = time.monotonic() + SECONDS
            while not self.answers():
                assert process.poll() is None, (self.home / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.2)
            yield process
        finally:
            process.kill()
            process.wait()

    def answers(self) -> bool:
        where = ("--unix-socket", str(self.home / "c.sock"), "http://x/readyz")
        return self.run("curl", "-sf", *where).returncode == 0

    def keep(self, database: str, query: str) -> list[tuple[object, ...]]:
        with sqlite3.connect(self.home / "state" / database) as connection:
            found = connection.execute(query).fetchall()
        connection.close()
        return found


@pytest.fixture
def port(unused_tcp_port: int) -> int:
    return unused_tcp_port


@pytest.fixture
def provider(tmp_path: Path, port: int) -> Site:
    return Site(tmp_path / "p", {"CAUSEWAY_TENANTS_LISTEN": f"127.0.0.1:{port}", "CAUSEWAY_NAME": "north-1"})


@pytest.fixture
def tenant(tmp_path: Path) -> Site:
    return Site(tmp_path / "t", {"CAUSEWAY_NAME": "acme-1"})


def test_two_controllers_join_live_through_kills_and_part(
    provider: Site, tenant: Site, port: int, tmp_path: Path
) -> None:
    with provider.serving() as first, tenant.serving() as second:
        provider.causeway("apply", "-f", str(ROOT / "docs/examples/provider.yaml"))
        invitation = tmp_path / "invitation"
        provider.causeway("tenant", "invite", "acme", "--output", str(invitation))
        assert invitation.stat().st_mode & 0o077 == 0
        assert "joined" in tenant.causeway("provider", "join", str(invitation), "--name", "north")
        assert "acme" in provider.causeway("member", "list")
        assert sockets.tcp(second.pid, sockets.LISTEN) == set(), "nothing listens at the tenant's"
        again = tenant.run(str(CAUSEWAY), "provider", "join", str(invitation), "--name", "other")
        assert (again.returncode, "another key" in again.stderr) == (1, True)
        alarm = provider.run(str(CAUSEWAY), "status")
        assert (alarm.returncode, "a second key came" in alarm.stdout) == (1, True)
        first.kill()
        second.kill()
        first.wait()
        second.wait()
    with tenant.serving():
        silent = tenant.run(str(CAUSEWAY), "provider", "rescan", "north")
        assert (silent.returncode, "no controller answers" in silent.stderr) == (1, True)
        trouble = tenant.run(str(CAUSEWAY), "status").stdout
        assert "provider north: no controller answers" in trouble
        assert "(connection refused): the line to it, or its controller" in trouble
        with provider.serving():
            tenant.causeway("provider", "rescan", "north")
            provider.causeway("tenant", "expel", "acme")
            out = tenant.run(str(CAUSEWAY), "provider", "rescan", "north")
            assert (out.returncode, "joined" in out.stderr) == (1, True)
            assert "out" in tenant.causeway("provider", "list")
            line = provider.causeway("tenant", "invite", "acme")
            tenant.causeway("provider", "join", "-", "--name", "north", text=line)
            tenant.causeway("provider", "leave", "north")
            assert provider.causeway("member", "list") == ""
            audit = provider.causeway("audit", "list")
            assert "member.expel" in audit
            assert "invitation.second-key" in audit
            assert "All" in provider.causeway("audit", "verify")
    assert provider.keep("causeway.db", "SELECT count(*) FROM member") == [(0,)]
    assert tenant.keep("causeway.db", "SELECT count(*) FROM secret WHERE kind = 'link-key'") == [(0,)]


def test_curl_with_certificates_of_its_own_is_held_to_the_same(
    provider: Site, tmp_path: Path, port: int
) -> None:
    """An outside tool joins and asks, and is refused without a certificate, with a foreign one, expelled."""
    where, key = f"https://127.0.0.1:{port}", tmp_path / "own.key"
    with provider.serving():
        provider.causeway("apply", "-f", str(ROOT / "docs/examples/provider.yaml"))
        made = json.loads(provider.causeway("tenant", "invite", "acme", "--json"))
        invitation = joining.read(made["text"])
        assert invitation.url == where
        for name in ("own", "other"):
            openssl(provider, tmp_path, name)
        request = (tmp_path / "own.csr").read_text()
        joined = curl(
            provider,
            where + "/v1/join",
            "-H",
            "Content-Type: application/json",
            "-d",
            json.dumps({"secret": invitation.secret, "request": request}),
        )
        assert joined[0] == 200, joined
        certificate = tmp_path / "own.pem"
        certificate.write_text(joined[1]["certificate"])
        mine = ("--cert", str(certificate), "--key", str(key))
        assert curl(provider, where + "/v1/membership", *mine)[1]["tenant"] == "acme"
        assert curl(provider, where + "/v1/membership")[0] == 401
        selfmade = ("--cert", str(tmp_path / "other.pem"), "--key", str(tmp_path / "other.key"))
        assert curl(provider, where + "/v1/membership", *selfmade)[0] == 0, (
            "a foreign certificate: no handshake"
        )
        pinned = ("--pinnedpubkey", f"sha256//{base64.b64encode(bytes.fromhex(invitation.pins[0])).decode()}")
        assert curl(provider, where + "/v1/membership", *mine, *pinned)[0] == 200, "the pin is RFC 7469's"
        provider.causeway("tenant", "expel", "acme")
        assert curl(provider, where + "/v1/membership", *mine)[0] == 401


def openssl(site: Site, place: Path, name: str) -> None:
    """A key, a request for it, and a certificate that it signed itself."""
    key = str(place / f"{name}.key")
    ask = ("openssl", "req", "-new", "-key", key, "-subj", "/CN=acme")
    for words in (
        ("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key),
        (*ask, "-out", str(place / f"{name}.csr")),
        (*ask, "-x509", "-out", str(place / f"{name}.pem")),
    ):
        done = site.run(*words)
        assert done.returncode == 0, done.stderr


def curl(site: Site, url: str, *words: str) -> tuple[int, dict[str, str]]:
    """Status and body; status 0 where no answer came. The key is checked by the pin, so `--insecure`."""
    done = site.run("curl", "-sk", "-w", "\n%{http_code}", *words, url)
    text, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(text) if text.startswith("{") else {}


def commands() -> list[str]:
    """What the guide shows as code, a command a line."""
    return [line[4:] for line in GUIDE.read_text().splitlines() if line.startswith("    ")]


def test_every_command_of_the_guide_works_in_its_order(tmp_path: Path, port: int) -> None:
    lines = ["set -eu", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for number, command in enumerate(commands()):
        lines.append(f"printf '\\ncommand {number}\\n'\n{command.replace('8445', str(port))}")
    done = subprocess.run(
        ("bash", "-c", "\n".join(lines)),
        cwd=ROOT,
        env={"PATH": f"{CAUSEWAY.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=SECONDS * 2,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    said = dict(re.findall(r"^command (\d+)\n((?:(?!command \d+$).*\n)*)", done.stdout, re.MULTILINE))
    shown = {command: said[str(number)] for number, command in enumerate(commands())}
    assert any("joined" in text for command, text in shown.items() if "provider show" in command)


def test_the_port_must_be_free(provider: Site, port: int) -> None:
    provider.home.mkdir()
    provider.causeway("setup")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        refused = provider.run(str(CAUSEWAY), "serve")
    assert (refused.returncode, "correct tenants.listen" in refused.stderr) == (1, True)


def test_a_provider_is_told_to_stop_and_stops(provider: Site) -> None:
    with provider.serving() as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
