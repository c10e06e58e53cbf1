"""Boots a disk image in QEMU until it is what it should be, within a limited time.

The machine is given what first boot would give it, through SMBIOS credentials: an SSH key, and the agent's
settings. A good end shows firmware, shim, loader, kernel, the agent in its unit, its packet filter letting
SSH in, and SSH itself. The image file is not changed.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

FIRMWARE = Path("/usr/share/OVMF")
MAC = "52:54:00:ca:05:01"
# QEMU's user network (-nic user): the guest has .15, the host is .2
GUEST, NETWORK = "10.0.2.15", "10.0.2.0/24"
API_PORT = 8443
PAUSE = 1.5
"""Seconds between attempts; sshd punishes sources that come too often (PerSourcePenalties)."""
SHOW = (
    "systemctl is-system-running; systemctl --failed --no-legend; systemd-analyze; "
    "systemctl is-active causeway-agent; causeway-agent status; free -m; df -h / /state; nft list tables; "
    "uname -r; bootctl status 2>/dev/null | grep -i secure"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Virtual hardware; the defaults are QEMU's own kind with UEFI."""

    firmware: str = "uefi"
    """`uefi`, `secure` (keys enrolled, enforcing) or `bios`."""
    disk: str = "virtio"
    """`virtio`, `pvscsi` (VMware) or `ide` (Hyper-V generation 1)."""
    adapter: str = "virtio-net-pci"
    accelerator: str = "tcg"
    """TCG works everywhere; a /dev/kvm that is there may still be unable to run firmware."""
    seconds: float = 300.0
    """The longest time until SSH has answered; TCG needs most of a minute."""


class NotUpError(Exception):
    """The machine did not come up in time; carries the end of its console."""


def boot(image: Path, machine: Machine, command: str = SHOW) -> tuple[float, float, str]:
    """Seconds until the API's port and until SSH answered, and what the command printed there."""
    with tempfile.TemporaryDirectory(prefix="causeway-boot-") as name:
        work = Path(name)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", work / "id"], check=True)
        ssh_port, api_port = free_port(), free_port()
        began = time.monotonic()
        with _running(_command(image, machine, work, ssh_port, api_port), work / "console") as qemu:
            deadline = began + machine.seconds
            login = _ssh(work / "id", ssh_port)
            _until(lambda: _speaks_tls(api_port), qemu, deadline, work / "console")
            api = time.monotonic() - began
            _until(lambda: _runs((*login, "true")), qemu, deadline, work / "console")
            up = time.monotonic() - began
            finished = subprocess.run(
                [*login, command],
                check=False,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=120,
            )
            return api, up, finished.stdout + finished.stderr


def settings() -> str:
    """The agent's settings for this machine, with a throw-away authority."""
    return json.dumps(
        {
            "appliance": "boot-test",
            "management": {"nic": "management", "address": GUEST, "sources": [NETWORK], "port": API_PORT},
            "nics": [
                {"name": "management", "mac": MAC, "addresses": [f"{GUEST}/24"], "gateways": ["10.0.2.2"]}
            ],
            "controller_ca": _authority(),
        }
    )


def credentials(key: str) -> dict[str, str]:
    """Credentials by name: who may log in, and the settings file by a line of tmpfiles.d(5)."""
    encoded = base64.b64encode(settings().encode()).decode()
    line = f"f+~ /var/lib/causeway/settings/agent.json 0600 root root - {encoded}\n"
    return {"ssh.authorized_keys.root": key, "tmpfiles.extra": line}


def free_port() -> int:
    """A TCP port of loopback that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _authority() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "boot test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def _command(image: Path, machine: Machine, work: Path, ssh_port: int, api_port: int) -> list[str]:
    form = {".qcow2": "qcow2", ".vmdk": "vmdk", ".vhdx": "vhdx"}.get(image.suffix, "raw")
    secure = machine.firmware == "secure"
    forward = f"hostfwd=tcp:127.0.0.1:{ssh_port}-:22,hostfwd=tcp:127.0.0.1:{api_port}-:{API_PORT}"
    words = [
        "qemu-system-x86_64",
        "-machine",
        f"{'pc' if machine.disk == 'ide' else 'q35'},accel={machine.accelerator}",
    ]
    words[2] += ",smm=on" if secure else ""
    words += ["-smp", "2", "-m", "1024", "-display", "none", "-no-reboot", "-monitor", "none", "-snapshot"]
    words += [
        "-serial",
        f"file:{work / 'console'}",
        "-nic",
        f"user,model={machine.adapter},mac={MAC},{forward}",
    ]
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
    for number, (name, content) in enumerate(credentials((work / "id.pub").read_text()).items()):
        value = base64.b64encode(content.encode()).decode()
        path = work / f"credential-{number}"
        path.write_text(f"io.systemd.credential.binary:{name}={value}")
        words += ["-smbios", f"type=11,path={path}"]
    return words


@contextmanager
def _running(command: list[str], console: Path) -> Iterator[subprocess.Popen[bytes]]:
    console.touch()
    qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL)
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
    raise NotUpError(console.read_text(errors="replace")[-6000:] or "nothing on the console")


def _speaks_tls(port: int) -> bool:
    """Whether the server does its part of a TLS handshake; QEMU itself accepts any connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            context.wrap_socket(connection).close()
    except OSError:
        return False
    return True


def _runs(command: Sequence[str]) -> bool:
    try:
        finished = subprocess.run(
            command, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=20
        )
    except subprocess.TimeoutExpired:
        return False
    return finished.returncode == 0


def _ssh(key: Path, port: int) -> list[str]:
    options = (
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        "BatchMode=yes",
        "ConnectTimeout=10",
    )
    return [
        *("ssh", "-i", str(key), "-p", str(port)),
        *(word for option in options for word in ("-o", option)),
        "root@127.0.0.1",
    ]
