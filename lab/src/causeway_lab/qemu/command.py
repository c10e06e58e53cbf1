"""The command line of a machine in QEMU, as a value. No effects."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from causeway_lab.qemu.acceleration import QEMU, TCG, Acceleration

FIRMWARE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
FIRMWARE_VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")

# systemd-boot(7) takes it with UEFI, without Secure Boot. A busy host emulates so slowly that the 90 s in
# which a disk must show up end in emergency mode, and that the kernel changes to a clock slower still.
_PATIENT = (
    "io.systemd.boot.kernel-cmdline-extra="
    "tsc=reliable no_timer_check systemd.default_device_timeout_sec=900 systemd.default_timeout_start_sec=900"
)


DRIVE = "cd"
"""QMP's name of the drive for discs."""


class Carrier(StrEnum):
    """How a machine gets its seed."""

    DISC = "disc"
    """An ISO image in its drive, as on any hypervisor."""
    CREDENTIAL = "credential"
    """A system credential in SMBIOS, as libvirt and Proxmox can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What every machine gets."""

    mebibytes: int = 512
    processors: int = 1
    firmware: Path | None = FIRMWARE
    """UEFI's code; None for BIOS."""
    variables: Path = FIRMWARE_VARIABLES
    """UEFI's variables as delivered; each machine has a copy."""


@dataclass(frozen=True, slots=True)
class Files:
    """A machine's directory."""

    directory: Path

    @property
    def record(self) -> Path:
        """Who it is; written last, so that its absence means an unfinished deployment."""
        return self.directory / "machine.json"

    @property
    def disk(self) -> Path:
        """Overlay on the image."""
        return self.directory / "disk.qcow2"

    @property
    def variables(self) -> Path:
        """UEFI's variables."""
        return self.directory / "variables.fd"

    @property
    def seed(self) -> Path:
        """The disc in the drive; the drive is empty where there is none."""
        return self.directory / "seed.iso"

    @property
    def console(self) -> Path:
        """All that the serial console ever said."""
        return self.directory / "console.log"

    @property
    def monitor(self) -> Path:
        """QMP's socket."""
        return self.directory / "qmp"

    @property
    def pid(self) -> Path:
        """QEMU's process id, written by itself."""
        return self.directory / "pid"

    @property
    def process(self) -> Path:
        """The same with the time it was started, so that nobody else is taken for it."""
        return self.directory / "process.json"

    def credential(self, name: str) -> Path:
        """A credential as SMBIOS carries it."""
        return self.directory / f"credential-{name}"

    def credentials(self) -> tuple[Path, ...]:
        """All of them."""
        return tuple(sorted(self.directory.glob("credential-*")))


def command(
    *,
    name: str,
    files: Files,
    hardware: Hardware,
    acceleration: Acceleration,
    taps: Mapping[str, str],
    disc: bool = True,
    credentials: Iterable[Path] = (),
) -> tuple[str, ...]:
    """The words that start the machine in the background; QEMU returns once it runs.

    `taps`: MAC address of each adapter, in order, to the tap device it is plugged into. `disc`: whether there
    is one in the drive. `credentials`: files as `smbios` makes them.
    """
    words = [QEMU, "-name", _escaped(name), "-machine", "q35", *acceleration.options]
    words += ["-smp", str(hardware.processors), "-m", str(hardware.mebibytes)]
    words += ["-nodefaults", "-no-user-config", "-display", "none", "-daemonize", "-pidfile", str(files.pid)]
    # What else QEMU can deny itself, it needs to go into the background.
    words += ["-sandbox", "on,obsolete=deny,resourcecontrol=deny"]
    words += ["-chardev", f"file,id=console,append=on,path={_escaped(files.console)}"]
    words += ["-serial", "chardev:console"]
    words += ["-chardev", f"socket,id=monitor,server=on,wait=off,path={_escaped(files.monitor)}"]
    words += ["-mon", "chardev=monitor,mode=control"]
    if hardware.firmware is not None:
        words += _flash(0, hardware.firmware, "readonly=on") + _flash(1, files.variables)
    words += ["-device", "virtio-rng-pci"]
    words += ["-drive", f"if=none,id=disk,format=qcow2,discard=unmap,file={_escaped(files.disk)}"]
    words += ["-device", "virtio-blk-pci,drive=disk,bootindex=0"]
    # The appliance's kernel has no AHCI driver: a CD drive must be virtio-scsi's, or IDE.
    words += ["-device", "virtio-scsi-pci,id=scsi"]
    medium = f",format=raw,file={_escaped(files.seed)}" if disc else ""
    words += ["-drive", f"if=none,id=seed,readonly=on,media=cdrom{medium}"]
    words += ["-device", f"scsi-cd,id={DRIVE},bus=scsi.0,drive=seed"]
    for index, (mac, tap) in enumerate(taps.items()):
        words += ["-netdev", f"tap,id=net{index},ifname={tap},script=no,downscript=no"]
        words += ["-device", f"virtio-net-pci,netdev=net{index},mac={mac},romfile="]
    if acceleration.name == TCG:
        words += ["-smbios", f"type=11,value={_escaped(_PATIENT)}"]
    for credential in credentials:
        words += ["-smbios", f"type=11,path={_escaped(credential)}"]
    return tuple(words)


def smbios(name: str, content: bytes) -> bytes:
    """A credential in the form that systemd reads from SMBIOS type 11 (systemd.system-credentials(7))."""
    return f"io.systemd.credential.binary:{name}=".encode() + base64.b64encode(content)


def _flash(unit: int, path: Path, *more: str) -> list[str]:
    options = ("if=pflash", "format=raw", f"unit={unit}", *more, f"file={_escaped(path)}")
    return ["-drive", ",".join(options)]


def _escaped(value: object) -> str:
    """Commas end a value unless they are doubled."""
    return str(value).replace(",", ",,")
