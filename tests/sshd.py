"""An SSH server of the tests' own, in a sandbox: Debian's sshd at a port of loopback, and who may log in.

OpenSSH takes a user's files from the directory that /etc/passwd names, whatever HOME says: so root's is
covered by a mount that only the sandbox sees.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests import loopback

PROGRAM: Final = "/usr/sbin/sshd"
_OURS: Final = Path("/root/.ssh")
_SETTINGS: Final = """\
ListenAddress 127.0.0.1:{port}
HostKey {place}/host
AuthorizedKeysFile {place}/authorized
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
"""


def available() -> bool:
    """Whether this machine has it."""
    return shutil.which(PROGRAM) is not None


def make_key(path: Path) -> str:
    """Make a key there; its public half as one line."""
    path.unlink(missing_ok=True)
    command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path))
    subprocess.run(command, check=True)
    return path.with_name(f"{path.name}.pub").read_text().strip()


@dataclass
class Sshd:
    """A server, and the client's files of this sandbox's root."""

    place: Path
    port: int
    key: str
    """Its public key."""
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin, and return once it listens."""
        settings = self.place / "sshd_config"
        settings.write_text(_SETTINGS.format(port=self.port, place=self.place))
        with (self.place / "log").open("ab") as log:
            self._process = subprocess.Popen(
                (PROGRAM, "-D", "-e", "-f", str(settings)), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        loopback.until_listens(self.port, log=self.place / "log")

    def stop(self) -> None:
        """End; connections that are open stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def another(self) -> None:
        """Begin anew as another machine would, with a key of its own."""
        self.stop()
        self.key = make_key(self.place / "host")
        self.start()

    def pin(self, key: str, *ports: int) -> None:
        """Have root know the server at these ports of loopback by this key, and nobody else."""
        lines = (f"[127.0.0.1]:{port} {key}\n" for port in ports)
        (_OURS / "known_hosts").write_text("".join(lines))


@contextmanager
def running(place: Path) -> Iterator[Sshd]:
    """It, where root of this sandbox may log in by a key; whose key it is, nobody knows yet."""
    ours = place / "ours"
    ours.mkdir(mode=0o700)
    made = not _OURS.exists()
    _OURS.mkdir(mode=0o700, exist_ok=True)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    subprocess.run(("mount", "--bind", str(ours), str(_OURS)), check=True)
    (place / "authorized").write_text(f"{make_key(_OURS / 'id_ed25519')}\n")
    server = Sshd(place, loopback.free_port(), make_key(place / "host"))
    server.start()
    try:
        yield server
    finally:
        server.stop()
        subprocess.run(("umount", str(_OURS)), check=True)
        if made:
            _OURS.rmdir()
