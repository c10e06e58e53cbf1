"""Whether KVM runs machines here. A node that can be opened proves nothing: guests may crawl, or hang.

Where this system is a guest itself, /dev/kvm may be there, may let machines be created, and may then execute
them hundreds of times slower than emulation does, never get on, or give up at the first instructions of UEFI.
So a probe is booted: firmware and one sector that says it is done. What KVM does with that in a moment, TCG
does in a third of a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from causeway_controller import files

KVM, TCG = "kvm", "tcg"
NODE = Path("/dev/kvm")
QEMU = "qemu-system-x86_64"
PROBE_SECONDS = 3.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_DONE = 0x10
_EXIT = (_DONE << 1) | 1
"""isa-debug-exit ends QEMU with this for the octet written to it."""
# cli; fwait; fninit; mov al, DONE; out 0xf4, al; hlt; jmp back to hlt. UEFI begins with the second and third,
# which a KVM that has to emulate them cannot.
_SECTOR = bytes((0xFA, 0x9B, 0xDB, 0xE3, 0xB0, _DONE, 0xE6, 0xF4, 0xF4, 0xEB, 0xFD, *[0] * 499, 0x55, 0xAA))


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceleration:
    """What executes machines, and why that was chosen."""

    name: str
    """`kvm` or `tcg`."""
    reason: str

    @property
    def options(self) -> tuple[str, ...]:
        """QEMU's words for it."""
        if self.name == KVM:
            return ("-accel", "kvm", "-cpu", "host")
        # A thread per virtual processor, and not a gigabyte for each machine's translated code. Westmere has
        # the AES instructions that VPNs live on, and none of the wide registers that only cost emulation.
        return ("-accel", "tcg,thread=multi,tb-size=128", "-cpu", "Westmere")


async def choose(*, cache: Path | None = None, node: Path = NODE) -> Acceleration:
    """KVM if it has just proved itself, else TCG. The verdict is kept in `cache` until this system reboots.

    Raises FileNotFoundError when there is no QEMU.
    """
    place = _place() if cache is None else cache
    if (known := _known(place)) is not None:
        return known
    chosen = await _verdict(node)
    with contextlib.suppress(OSError):  # then it is probed once more next time
        files.write(place, json.dumps({"boot": _boot(), **asdict(chosen)}).encode(), mode=files.PUBLIC)
    return chosen


def _boot() -> str:
    return _BOOT_ID.read_text(encoding="ascii").strip()


def _place() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "causeway" / "acceleration.json"


def _known(place: Path) -> Acceleration | None:
    try:
        found = json.loads(place.read_bytes())
        if found["boot"] == _boot() and found["name"] in {KVM, TCG}:
            return Acceleration(name=found["name"], reason=str(found["reason"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


async def _verdict(node: Path) -> Acceleration:
    if not os.access(node, os.R_OK | os.W_OK):
        return Acceleration(name=TCG, reason=f"{node} cannot be opened")
    began = time.monotonic()
    code = await _probe()
    seconds = time.monotonic() - began
    if code is None:
        reason = f"{node} is there, but no machine booted in {PROBE_SECONDS:.0f} s"
        return Acceleration(name=TCG, reason=reason)
    if code != _EXIT:
        return Acceleration(name=TCG, reason=f"{node} is there, but a machine ended with exit code {code}")
    return Acceleration(name=KVM, reason=f"a machine booted in {seconds:.1f} s")


async def _probe() -> int | None:
    """Exit code of a machine that should end by itself; None when it had to be ended."""
    with tempfile.TemporaryDirectory(prefix="causeway-probe-") as name:
        sector = Path(name) / "sector"
        sector.write_bytes(_SECTOR)
        words = ["-accel", KVM, "-m", "16", "-display", "none"]
        words += ["-nodefaults", "-no-user-config", "-no-reboot"]
        words += ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
        words += ["-drive", f"file={sector},format=raw,if=ide,snapshot=on"]
        process = await asyncio.create_subprocess_exec(
            QEMU,
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return await asyncio.wait_for(process.wait(), PROBE_SECONDS)
        except TimeoutError:
            return None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
