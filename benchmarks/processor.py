"""Processor seconds of an emulated machine: steadier than its clock where others use the same processors.

What QEMU took is sampled while the machine runs, so that it can be said afterwards for any moment in between.
"""

from __future__ import annotations

import bisect
import os
import struct
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from causeway_lab.qemu.acceleration import Acceleration

INTERVAL = 0.05
_TICKS = os.sysconf("SC_CLK_TCK")
# /proc/PID/stat, counted behind the name in brackets: proc_pid_stat(5), fields 14 to 15
_USER, _KERNEL = 11, 12
_LOAD = 0x400000
# reboot(0xfee1dead, 0x28121969, 0x4321fedc): power off, reboot(2)
_POWER_OFF = bytes.fromhex("b8a9000000 bfaddee1fe be69191228 badcfe2143 0f05 ebfe")


@dataclass(slots=True)
class Meter:
    """What a process took until when, sampled from `begin` to `close`."""

    moments: list[float] = field(default_factory=list)
    """time.monotonic(3), rising."""
    taken: list[float] = field(default_factory=list)
    """Processor seconds until then."""
    _over: threading.Event = field(default_factory=threading.Event)

    def begin(self, pid: int) -> None:
        """Sample this process from now on."""
        threading.Thread(target=self._sample, args=(pid,), daemon=True).start()

    def close(self) -> None:
        """No more samples."""
        self._over.set()

    def _sample(self, pid: int) -> None:
        while not self._over.wait(INTERVAL):
            self.taken.append(taken(pid))
            self.moments.append(time.monotonic())

    def until(self, moment: float) -> float:
        """Processor seconds from the process's start to this moment, between two samples in proportion."""
        place = bisect.bisect_left(self.moments, moment)
        if place in {0, len(self.moments)}:
            raise ValueError("nobody measured then")
        before, after = self.moments[place - 1], self.moments[place]
        part = (moment - before) / (after - before)
        return self.taken[place - 1] + part * (self.taken[place] - self.taken[place - 1])


def taken(pid: int) -> float:
    """Processor seconds of this process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_USER]) + int(fields[_KERNEL])) / _TICKS


def bare(kernel: Path, chosen: Acceleration) -> float:
    """Processor seconds of this kernel alone: it starts one program, which switches the machine off."""
    with tempfile.TemporaryDirectory(prefix="causeway-bare-") as name:
        initramfs = Path(name, "initrd")
        initramfs.write_bytes(archive({"init": program()}))
        before = os.times()
        subprocess.run(
            [
                *("qemu-system-x86_64", *chosen.options, "-machine", "q35", "-smp", "2", "-m", "1024"),
                *("-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot"),
                *("-kernel", str(kernel), "-initrd", str(initramfs), "-append", "quiet panic=-1"),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
        )
        after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def program() -> bytes:
    """An ELF executable that switches the machine off (System V ABI, AMD64 supplement)."""
    size = 64 + 56 + len(_POWER_OFF)
    head = b"\x7fELF\2\1\1" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, _LOAD + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, _LOAD, _LOAD, size, size, 0x1000) + _POWER_OFF


def archive(files: dict[str, bytes]) -> bytes:
    """An initramfs of these programs (cpio, format newc: the kernel's buffer-format.rst)."""
    parts = []
    for number, (name, content) in enumerate({**files, "TRAILER!!!": b""}.items(), start=1):
        mode = 0o100755 if content else 0
        numbers = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % value for value in numbers) + name.encode() + b"\0"
        parts.append(head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4))
    return b"".join(parts)
