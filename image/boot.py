"""Boots a disk image in QEMU until the agent's API and SSH answer, within a limited time.

The machine is given what every appliance is given: a seed, here through SMBIOS. A good end shows firmware,
loader, kernel, first boot, the agent in its unit, its packet filter letting SSH in, and SSH itself. The image
file is not changed.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from causeway_lab.qemu import acceleration
from causeway_lab.qemu import command as qemu_command
from causeway_lab.qemu.acceleration import Acceleration
from causeway_wire.seed import CREDENTIAL
from image import subject

FIRMWARE = Path("/usr/share/OVMF")
FORMATS = {".qcow2": "qcow2", ".vmdk": "vmdk", ".vhdx": "vhdx"}
PAUSE = 1.5
"""Seconds between attempts; sshd punishes sources that come too often (PerSourcePenalties)."""
SHOW = (
    "systemctl is-system-running; systemctl --failed --no-legend; systemd-analyze; "
    "systemctl is-active causeway-agent; causeway-agent status; free -m; df -h / /state; nft list tables; "
    "uname -r; bootctl status 2>/dev/null | grep -i secure"
)
_LAST_WORDS = 6000


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Virtual hardware; the defaults are QEMU's own kind with UEFI."""

    firmware: str = "uefi"
    """`uefi`, `secure` (keys enrolled, enforcing) or `bios`."""
    disk: str = "virtio"
    """`virtio`, `pvscsi` (VMware) or `ide` (Hyper-V generation 1)."""
    adapter: str = "virtio-net-pci"
    mebibytes: int = 1024
    """Memory."""
    processors: int = 2
    """Virtual ones."""
    acceleration: Acceleration
    seconds: float = 300.0
    """The longest time until SSH has answered; emulated on an idle machine it takes a minute."""


class NotUpError(Exception):
    """The machine did not come up in time; carries the end of its console."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Booted:
    """A machine that is up."""

    api: float
    """Seconds from power until the API's port spoke TLS."""
    ssh: float
    """Seconds from power until SSH let us in."""
    login: tuple[str, ...]
    restarted: Callable[[], None]
    """Restarts it and returns when it is up again; raises NotUpError."""

    def run(self, command: str) -> str:
        """What a shell there prints, errors included."""
        finished = subprocess.run(
            [*self.login, command],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=180,
        )
        return finished.stdout + finished.stderr


def choose(name: str) -> Acceleration:
    """What executes machines: `auto` takes KVM where a probe has just booted with it."""
    found = asyncio.run(acceleration.choose())
    return found if name in {"auto", found.name} else Acceleration(name=name, reason="asked for")


@contextmanager
def booted(
    image: Path, machine: Machine, *, started: Callable[[int], None] = lambda _pid: None
) -> Iterator[Booted]:
    """The machine from when SSH answers until the block ends; raises NotUpError.

    `started`: is told QEMU's process when it begins.
    """
    with tempfile.TemporaryDirectory(prefix="causeway-boot-") as name:
        work = Path(name)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", work / "id"], check=True)
        made = subject.make(directory=work, disk=image)
        text = subject.seed_of(made, (work / "id.pub").read_text())
        (work / "seed.smbios").write_bytes(qemu_command.smbios(CREDENTIAL, text))
        (ssh_port,) = subject.free_ports(1)
        login = logging_in(work / "id", ssh_port)
        began = time.monotonic()
        with _running(_command(image, machine, work, made.api_port, ssh_port), work / "console") as qemu:
            started(qemu.pid)

            def up(done: Callable[[], bool], deadline: float) -> float:
                _until(done, qemu, deadline, work / "console")
                return time.monotonic() - began

            def restart() -> None:
                before = _boot_id(login)
                subprocess.run([*login, "systemctl --no-block reboot"], check=False, stdin=subprocess.DEVNULL)
                until = time.monotonic() + machine.seconds
                up(lambda: _boot_id(login) not in {"", before}, until)

            deadline = began + machine.seconds
            api = up(lambda: speaks_tls(made.api_port), deadline)
            ssh = up(lambda: _boot_id(login) != "", deadline)
            yield Booted(api=api, ssh=ssh, login=login, restarted=restart)


def _command(image: Path, machine: Machine, work: Path, api_port: int, ssh_port: int) -> list[str]:
    secure = machine.firmware == "secure"
    form = FORMATS.get(image.suffix, "raw")
    words = ["qemu-system-x86_64", *machine.acceleration.options]
    words += ["-machine", ("pc" if machine.disk == "ide" else "q35") + (",smm=on" if secure else "")]
    words += ["-smp", str(machine.processors), "-m", str(machine.mebibytes)]
    words += ["-display", "none", "-monitor", "none", "-snapshot"]
    words += ["-serial", f"file:{work / 'console'}", "-smbios", f"type=11,path={work / 'seed.smbios'}"]
    forward = f"hostfwd=tcp:127.0.0.1:{ssh_port}-:22,hostfwd=tcp:127.0.0.1:{api_port}-:{subject.PORT}"
    words += ["-nic", f"user,restrict=on,model={machine.adapter},mac={subject.MANAGEMENT_MAC},{forward}"]
    if machine.firmware != "bios":
        kind = ".ms" if secure else ""
        shutil.copy(FIRMWARE / f"OVMF_VARS_4M{kind}.fd", work / "vars")
        words += ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={FIRMWARE}/OVMF_CODE_4M{kind}.fd"]
        words += ["-drive", f"if=pflash,format=raw,unit=1,file={work / 'vars'}"]
    if secure:
        words += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
    if machine.disk == "pvscsi":
        words += ["-device", "pvscsi,id=bus", "-drive", f"file={image},format={form},if=none,id=disk"]
        words += ["-device", "scsi-hd,drive=disk,bus=bus.0"]
    else:
        words += ["-drive", f"file={image},format={form},if={machine.disk}"]
    return words


@contextmanager
def _running(command: list[str], console: Path) -> Iterator[subprocess.Popen[bytes]]:
    console.touch()
    with complaints(console).open("wb") as said:
        qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=said)
    try:
        yield qemu
    finally:
        qemu.terminate()
        try:
            qemu.wait(timeout=10)
        except subprocess.TimeoutExpired:
            qemu.kill()
            qemu.wait()


def _until(done: Callable[[], bool], qemu: subprocess.Popen[bytes], deadline: float, console: Path) -> None:
    while time.monotonic() < deadline and qemu.poll() is None:
        if done():
            return
        time.sleep(PAUSE)
    words = console.read_text(errors="replace")[-_LAST_WORDS:] or "nothing on the console"
    raise NotUpError(complaints(console).read_text(errors="replace") + words)


def complaints(console: Path) -> Path:
    """What QEMU itself says, beside what its machine says."""
    return console.with_name("qemu")


def speaks_tls(port: int) -> bool:
    """Whether the server does its part of a TLS handshake; QEMU itself accepts any connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        # Wrapped before it connects: a socket that is reset while it is wrapped would stay open.
        with context.wrap_socket(socket.socket()) as connection:
            connection.settimeout(5)
            connection.connect(("127.0.0.1", port))
    except OSError:
        return False
    return True


def _boot_id(login: tuple[str, ...]) -> str:
    """Which boot of the machine answers over SSH; nothing when none does."""
    command = [*login, "cat /proc/sys/kernel/random/boot_id"]
    try:
        finished = subprocess.run(
            command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20
        )
    except subprocess.TimeoutExpired:
        return ""
    return finished.stdout.strip() if finished.returncode == 0 else ""


def logging_in(key: Path, port: int) -> tuple[str, ...]:
    """The words that log in at this port of loopback, as root, with this key."""
    options = (
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        "BatchMode=yes",
        "ConnectTimeout=10",
    )
    return (
        *("ssh", "-i", str(key), "-p", str(port)),
        *(word for option in options for word in ("-o", option)),
        "root@127.0.0.1",
    )
