"""A machine in QEMU that boots the image with UEFI, and starts again when it restarts, as machines do.

It gets an SSH key and its agent's settings as system credentials by SMBIOS. The image file is not changed.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from causeway_lab.qemu import command as qemu_command
from image import boot, subject

MAC = "52:54:00:ca:05:01"
# QEMU's user network (-nic user): the guest has .15, the host is .2
GUEST, HOST, NETWORK = "10.0.2.15", "10.0.2.2", "10.0.2.0/24"
API_PORT = 8443
DISK = "disk"
"""QEMU's name for it."""
PAUSE = 1.5
"""Seconds between attempts; sshd punishes sources that come too often (PerSourcePenalties)."""
SECONDS = 900.0
"""The longest wait for anything; an emulated processor that others use too is slow."""


class SilentError(Exception):
    """What was waited for did not come; carries the end of the console."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine that was switched on."""

    api_port: int
    """Of loopback; leads to the agent's API."""
    login: tuple[str, ...]
    """Words of a command line that runs what follows there, over SSH."""
    qemu: subprocess.Popen[bytes]
    console: Path
    monitor: Path
    """Socket of QEMU's machine protocol."""

    def until(self, done: Callable[[], bool]) -> None:
        """Wait for this; raises SilentError."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and self.qemu.poll() is None:
            if done():
                return
            time.sleep(PAUSE)
        raise SilentError(self.console.read_text(errors="replace")[-6000:] or "nothing on the console")

    def speaks_tls(self) -> bool:
        """Whether its agent does its part of a TLS handshake; QEMU itself accepts any connection."""
        return boot.speaks_tls(self.api_port)

    def lets_in(self) -> bool:
        """Whether SSH answers."""
        command = [*self.login, "true"]
        try:
            finished = subprocess.run(
                command, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=20
            )
        except subprocess.TimeoutExpired:
            return False
        return finished.returncode == 0


@contextmanager
def switched_on(image: Path, settings: bytes) -> Iterator[Machine]:
    """A machine whose agent has these settings; at the end it is gone."""
    with (
        tempfile.TemporaryDirectory(prefix="causeway-boot-") as name,
        switched_on_again(image, settings, Path(name)) as machine,
    ):
        yield machine


@contextmanager
def switched_on_again(image: Path, settings: bytes, work: Path) -> Iterator[Machine]:
    """The machine whose disk and key are in this directory; a fresh one where there are none.

    At the end it is off, as after a power cut.
    """
    disk = work / "disk.qcow2"
    if not disk.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", work / "id"], check=True)
        base = ("-F", boot.FORMATS.get(image.suffix, "raw"), "-b", image.resolve())
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *base, disk], check=True)
    (work / "console").write_bytes(b"")
    ssh_port, api_port = subject.free_ports(2)
    given = _credentials((work / "id.pub").read_bytes(), settings)
    command = _command(disk, work, {ssh_port: 22, api_port: API_PORT}, given)
    qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    login = boot.logging_in(work / "id", ssh_port)
    try:
        yield Machine(
            api_port=api_port, login=login, qemu=qemu, console=work / "console", monitor=work / "monitor"
        )
    finally:
        qemu.kill()
        qemu.wait()


def _credentials(key: bytes, settings: bytes) -> Mapping[str, bytes]:
    """Who may log in, and the settings file by a line of tmpfiles.d(5)."""
    encoded = base64.b64encode(settings).decode()
    line = f"f+~ /var/lib/causeway/settings/agent.json 0600 root root - {encoded}\n"
    return {"ssh.authorized_keys.root": key, "tmpfiles.extra": line.encode()}


def _command(
    disk: Path, work: Path, ports: Mapping[int, int], credentials: Mapping[str, bytes]
) -> Sequence[str]:
    forward = ",".join(f"hostfwd=tcp:127.0.0.1:{outside}-:{inside}" for outside, inside in ports.items())
    shutil.copy(qemu_command.FIRMWARE_VARIABLES, work / "variables")
    words = ["qemu-system-x86_64", "-machine", "q35,accel=tcg", "-smp", "2", "-m", "1024"]
    words += ["-display", "none", "-monitor", "none", "-serial", f"file:{work / 'console'}"]
    words += ["-nic", f"user,model=virtio-net-pci,mac={MAC},{forward}"]
    words += ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={qemu_command.FIRMWARE}"]
    words += ["-drive", f"if=pflash,format=raw,unit=1,file={work / 'variables'}"]
    words += ["-drive", f"file={disk},format=qcow2,if=virtio,id={DISK}"]
    words += ["-qmp", f"unix:{work / 'monitor'},server=on,wait=off"]
    for name, content in credentials.items():
        path = work / name
        path.write_bytes(qemu_command.smbios(name, content))
        words += ["-smbios", f"type=11,path={path}"]
    return words
