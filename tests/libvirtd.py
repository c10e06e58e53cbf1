"""A libvirt daemon of the tests' own, in a sandbox: Debian's, with its own places and no service manager.

libvirt's system instance has its places built in, so they are covered by mounts that only the sandbox sees.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from causeway_controller.hypervisors.libvirt import binding

PROGRAM: Final = "libvirtd"
POOL: Final = "appliances"
_PLACES: Final = ("/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt")
_BEGIN_SECONDS: Final = 30.0
_QEMU: Final = """\
stdio_handler = "file"
security_driver = "none"
cgroup_controllers = []
namespaces = []
user = "root"
group = "root"
remember_owner = 0
"""


class Libvirtd:
    """One daemon for all tests of a session, which is ended and begun again at will."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.more: tuple[str, ...] = ()
        """Lines of libvirtd.conf, from the next start on; with any it listens on the network, too."""
        self.within: tuple[str, ...] = ()
        """What the daemon's command line is given to, if it does not start right here."""
        self.pool = directory / "pool"

    @property
    def socket(self) -> Path:
        return self.directory / "s/libvirt-sock"

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self.socket}"

    @property
    def log(self) -> Path:
        return self.directory / "log"

    def prepare(self, bridges: tuple[str, ...]) -> None:
        """Cover its places, make the bridges, and have /sys show them and no others."""
        self.make_places()
        cover(self.directory)
        for bridge in bridges:
            subprocess.run(("ip", "link", "add", bridge, "type", "bridge"), check=True)
            subprocess.run(("ip", "link", "set", bridge, "up"), check=True)
        # With loopback's alone, its resolver knows no address family (AI_ADDRCONFIG in getaddrinfo(3)).
        subprocess.run(("ip", "address", "add", "192.0.2.1/24", "dev", bridges[0]), check=True)

    def make_places(self) -> None:
        """Make where its socket and its pool are."""
        self.pool.mkdir(parents=True)
        (self.directory / "s").mkdir()

    def start(self) -> None:
        """Begin, and return once it answers."""
        more = "\n".join(self.more)
        config = self.directory / "libvirtd.conf"
        config.write_text(
            f'unix_sock_dir = "{self.socket.parent}"\nunix_sock_group = "root"\n'
            f'auth_unix_rw = "none"\nauth_unix_ro = "none"\n{more}\n',
            encoding="utf-8",
        )
        words = [*self.within, PROGRAM, "--config", str(config), "--pid-file", str(self.directory / "pid")]
        if more:
            words.append("--listen")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        self.wait()

    def wait(self) -> None:
        """Return once it answers."""
        deadline = time.monotonic() + _BEGIN_SECONDS
        while True:
            try:
                self.ask(lambda connection: connection.getLibVersion())
            except Exception as error:
                if time.monotonic() > deadline:
                    raise AssertionError(self.log.read_text(errors="replace")[-2000:]) from error
                time.sleep(0.05)
            else:
                return

    def ask(self, question: Any) -> Any:
        """The answer, over a connection of this question's own."""
        connection = binding.load().open(self.uri)
        try:
            return question(connection)
        finally:
            connection.close()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL; what runs in QEMU runs on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def make_pool(self, name: str, directory: Path) -> None:
        directory.mkdir(exist_ok=True)

        def make(connection: Any) -> None:
            described = (
                f"<pool type='dir'><name>{name}</name><target><path>{directory}</path></target></pool>"
            )
            pool = connection.storagePoolDefineXML(described)
            pool.create()
            pool.setAutostart(1)

        self.ask(make)

    def make_network(self, name: str, bridge: str) -> None:
        described = f"<network><name>{name}</name><forward mode='bridge'/><bridge name='{bridge}'/></network>"

        def make(connection: Any) -> None:
            network = connection.networkDefineXML(described)
            network.create()
            network.setAutostart(1)

        self.ask(make)


def cover(directory: Path) -> None:
    """Put places of its own, in this directory, over those that are built in; have /sys show these networks.

    In a mount namespace of the caller's own. Repeating it in another one finds what the daemon left.
    """
    for place in _PLACES:
        own = directory / place.replace("/", "_")
        own.mkdir(exist_ok=True)
        subprocess.run(("mount", "--bind", str(own), place), check=True)
    (Path("/etc/libvirt") / "qemu.conf").write_text(_QEMU, encoding="ascii")
    Path("/var/lib/libvirt/qemu").mkdir(exist_ok=True)
    subprocess.run(("mount", "-t", "sysfs", "sysfs", "/sys"), check=True)


def available() -> bool:
    """Whether this machine has what the tests need."""
    return shutil.which(PROGRAM) is not None and shutil.which("qemu-system-x86_64") is not None


def running(directory: Path, bridges: tuple[str, ...]) -> Iterator[Libvirtd]:
    """A daemon with a pool; it and all that it started end with the sandbox."""
    daemon = Libvirtd(directory)
    daemon.prepare(bridges)
    daemon.start()
    daemon.make_pool(POOL, daemon.pool)
    yield daemon
    daemon.kill()
    kill_machines()


def kill_machines() -> None:
    """End every machine in this sandbox, which no daemon does when it ends."""
    for process in Path("/proc").iterdir():
        command = process / "comm"
        if process.name.isdecimal() and command.exists() and command.read_text().startswith("qemu-system"):
            os.kill(int(process.name), signal.SIGKILL)
