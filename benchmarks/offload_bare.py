"""The image's own disk and kernel with a measurement in the place of its service manager.

Nothing has to answer over SSH, and nothing else runs in the machine: where processors are emulated and
shared, the appliance's own start and each handshake would take longer than those wait that ask for them.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from causeway_lab.qemu.acceleration import Acceleration

_START = (
    "export PATH=/usr/sbin:/usr/bin; /usr/lib/systemd/systemd-sysctl; "
    "modprobe -aq $(cat /sys/devices/system/cpu/modalias); uname -r; openvpn --version | head -n 1; "
    "head -c @SIZE@ /dev/vdb >/tmp/measure; exec python3 -u /tmp/measure"
)
"""What a start of the appliance would have set and loaded; its end is a panic, and so the machine's."""
_SECTOR = 512


def lines(
    image: Path, system: Path, archive: bytes, *, acceleration: Acceleration, processors: int
) -> Iterator[str]:
    """What this archive of Python prints in a machine that has the image (qcow2), line by line.

    `system`: the image's EFI system partition as a directory. Raises RuntimeError when QEMU fails.
    """
    entry = (system / "loader/entries/a.conf").read_text().splitlines()
    options = next(line.removeprefix("options ") for line in entry if line.startswith("options "))
    start = _START.replace("@SIZE@", str(len(archive)))
    with tempfile.NamedTemporaryFile(prefix="causeway-bare-") as disk:
        disk.write(archive + bytes(-len(archive) % _SECTOR))
        disk.flush()
        words = ["qemu-system-x86_64", *acceleration.options, "-machine", "q35", "-smp", str(processors)]
        words += ["-m", "1024", "-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot"]
        words += ["-serial", "stdio", "-kernel", str(system / "causeway/a/linux")]
        words += ["-initrd", str(system / "causeway/a/initrd")]
        words += ["-append", f'{options} panic=1 init=/usr/bin/sh -- -c "{start}"']
        words += ["-drive", f"file={image},format=qcow2,if=virtio,snapshot=on"]
        words += ["-drive", f"file={disk.name},format=raw,if=virtio,readonly=on"]
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as machine:
            if machine.stdout is None:
                raise RuntimeError("there is no way to the machine")
            try:
                for line in machine.stdout:
                    yield line.decode(errors="replace").strip()
            finally:
                machine.terminate()
    if machine.returncode:
        raise RuntimeError(f"QEMU ended with {machine.returncode}")
