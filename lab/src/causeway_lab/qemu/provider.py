"""Machines that really boot: the appliance's image in QEMU, plugged into the lab's segments by tap devices.

Works inside a sandbox (`causeway_lab.sandbox`), whose end ends the machines. All that is known
of a machine is on disk in its directory, so that a later provider there finds it, running or not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from causeway_controller import files as durable
from causeway_controller.hypervisors import seed_image
from causeway_controller.hypervisors.base import HypervisorError, Machine, MachineSpec, NicSpec, Progress
from causeway_lab.qemu import acceleration, qmp
from causeway_lab.qemu.command import DRIVE, Carrier, Files, Hardware, command, smbios
from causeway_lab.world import namespaces
from causeway_lab.world.namespaces import WiringError
from causeway_wire.seed import CREDENTIAL

_PROGRAMS = (acceleration.QEMU, "qemu-img", "ip", "nsenter")
_TUN = "/dev/net/tun"
_LONGEST_SOCKET = 107
"""Octets of a UNIX socket's path (unix(7))."""
_START_SECONDS = 30.0
_END_SECONDS = 5.0
_POLL = 0.1
_CONSOLE_LINES = 12
_CONTROL = re.compile(
    r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-_]|c)|[\x00-\x08\x0b-\x1f\x7f]"
)
"""Control sequences (ECMA-48, 5.4) and control characters."""


class QemuProvider:
    """`hypervisors.base.Provider` on QEMU. `segments` are the bridges that `create_fabric` made."""

    def __init__(
        self,
        *,
        image: Path,
        segments: Sequence[str],
        directory: Path,
        hardware: Hardware | None = None,
        carrier: Carrier = Carrier.DISC,
        credentials: Mapping[str, bytes] | None = None,
    ) -> None:
        """`image`: qcow2, only read. `carrier`: how machines get their seeds; none where a seed is empty.
        `credentials`: systemd's, for every machine, besides the seed.
        """
        self._image = image
        self._segments = tuple(segments)
        self._directory = directory
        self._hardware = hardware or Hardware()
        self._carrier = carrier
        self._credentials = dict(credentials or {})

    async def segment(self, switch: str, vlan: int) -> str:
        """Refused: these machines are plugged into segments by name."""
        raise HypervisorError(f"no VLAN {vlan} of switch {switch}: machines in QEMU name their segments")

    async def preflight(self, spec: MachineSpec) -> Sequence[str]:
        """Reasons why this machine cannot be deployed here; empty when it can."""
        reasons = [
            f"there is no segment {nic.segment}" for nic in spec.nics if nic.segment not in self._segments
        ]
        missing = [program for program in _PROGRAMS if shutil.which(program) is None]
        reasons.extend(f"the program {program} is not installed" for program in missing)
        if not os.access(_TUN, os.R_OK | os.W_OK):
            reasons.append(f"{_TUN} cannot be opened; load the tun module, and allow this user to open it")
        needed = [self._image]
        if self._hardware.firmware is not None:
            needed += [self._hardware.firmware, self._hardware.variables]
        reasons.extend(f"{path} cannot be read" for path in needed if not os.access(path, os.R_OK))
        if len(os.fsencode(self.files(spec.owner_id).monitor)) > _LONGEST_SOCKET:
            reasons.append(f"{self._directory} is too long a path for a socket in it")
        return reasons

    async def find(self, owner_id: str) -> Machine | None:
        """The machine with this owner id."""
        files = self.files(owner_id)
        spec = _recorded(files)
        if spec is None:
            return None
        return Machine(owner_id=owner_id, name=spec.name, powered_on=process(files) is not None)

    async def deploy(self, spec: MachineSpec, progress: Progress) -> Machine:
        """A disk over the image, firmware variables and the seed, powered off."""
        if (known := await self.find(spec.owner_id)) is not None:
            return known
        if reasons := await self.preflight(spec):
            raise HypervisorError(f"cannot deploy {spec.name}: {'; '.join(reasons)}")
        progress("preparing the disk", 0.0)
        files = self.files(spec.owner_id)
        try:
            await asyncio.to_thread(self._prepare, files, spec)
            await _run(
                *("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2"),
                *("-b", str(self._image.resolve()), str(files.disk)),
            )
            durable.write(files.record, _record(spec), mode=durable.PRIVATE)
        except OSError as error:
            raise HypervisorError(f"cannot deploy {spec.name}: {error}") from error
        progress("deployed", 1.0)
        return Machine(owner_id=spec.owner_id, name=spec.name, powered_on=False)

    async def power(self, owner_id: str, *, on: bool, grace: float) -> None:
        """Power on: firmware runs. Off: asked to shut down, after `grace` seconds cut."""
        files, spec = self._known(owner_id)
        pid = process(files)
        if on and pid is None:
            await self._start(files, spec)
        if not on and pid is not None:
            await _stop(files, spec, pid, grace=grace)

    async def destroy(self, owner_id: str) -> None:
        """Power off and remove, its disk too."""
        files = self.files(owner_id)
        if (spec := _recorded(files)) is not None:
            if (pid := process(files)) is not None:
                await _stop(files, spec, pid, grace=0.0)
            _unplug(spec.nics)
        await asyncio.to_thread(shutil.rmtree, files.directory, ignore_errors=True)

    async def insert(self, owner_id: str, seed_data: bytes) -> None:
        """Put a disc with this seed into the drive, in place of the one there; running or not."""
        files, _ = self._known(owner_id)
        durable.write(files.seed, seed_image.iso(seed_data), mode=durable.PRIVATE)
        if process(files) is not None:
            arguments = {"id": DRIVE, "filename": str(files.seed), "format": "raw", "force": True}
            await qmp.execute(files.monitor, "blockdev-change-medium", arguments)

    def console(self, owner_id: str) -> Path:
        """The file with what the machine's serial console said."""
        return self._known(owner_id)[0].console

    def last_words(self, owner_id: str, *, lines: int = _CONSOLE_LINES) -> str:
        """The end of that, to be read on a terminal."""
        return _last_words(self._known(owner_id)[0], lines)

    def files(self, owner_id: str) -> Files:
        """Where the machine with this owner id is, or would be."""
        return Files(self._directory / quote(owner_id, safe=""))

    def _known(self, owner_id: str) -> tuple[Files, MachineSpec]:
        files = self.files(owner_id)
        spec = _recorded(files)
        if spec is None:
            raise HypervisorError(f"there is no machine {owner_id}; deploy it first")
        return files, spec

    def _prepare(self, files: Files, spec: MachineSpec) -> None:
        """An own directory, without what an interrupted deployment left."""
        shutil.rmtree(files.directory, ignore_errors=True)
        files.directory.mkdir(mode=0o700, parents=True)
        if self._hardware.firmware is not None:
            shutil.copyfile(self._hardware.variables, files.variables)
        credentials = dict(self._credentials)
        if spec.seed and self._carrier is Carrier.CREDENTIAL:
            credentials[CREDENTIAL] = spec.seed
        elif spec.seed:
            durable.write(files.seed, seed_image.iso(spec.seed), mode=durable.PRIVATE)
        for name, content in credentials.items():
            durable.write(files.credential(name), smbios(name, content), mode=durable.PRIVATE)

    async def _start(self, files: Files, spec: MachineSpec) -> None:
        accelerated = await acceleration.choose()
        try:
            taps = {nic.mac: namespaces.create_tap(nic.mac, nic.segment, self._segments) for nic in spec.nics}
        except WiringError as error:
            raise HypervisorError(f"cannot plug {spec.name} in: {error}") from error
        files.pid.unlink(missing_ok=True)
        words = command(
            name=spec.name,
            files=files,
            hardware=self._hardware,
            acceleration=accelerated,
            taps=taps,
            disc=files.seed.exists(),
            credentials=files.credentials(),
        )
        await _run(*namespaces.within(namespaces.FABRIC, *words))
        pid = int(files.pid.read_text(encoding="ascii"))
        born = {"pid": pid, "started": _started(pid)}
        durable.write(files.process, json.dumps(born).encode(), mode=durable.PRIVATE)
        if process(files) is None:
            raise HypervisorError(f"{spec.name} ended at once; {_last_words(files)}")


async def _stop(files: Files, spec: MachineSpec, pid: int, *, grace: float) -> None:
    """Each way out is tried for a while: the power button, QEMU's own end, SIGKILL."""
    if grace > 0:
        with contextlib.suppress(HypervisorError):
            await qmp.execute(files.monitor, "system_powerdown", patience=min(grace, qmp.SECONDS))
            if await _gone(files, grace):
                return
    with contextlib.suppress(HypervisorError):
        await qmp.execute(files.monitor, "quit", patience=_END_SECONDS)
        if await _gone(files, _END_SECONDS):
            return
    if process(files) == pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if not await _gone(files, _END_SECONDS):
        raise HypervisorError(f"the process {pid} of {spec.name} does not end")


async def _gone(files: Files, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while process(files) is not None:
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_POLL)
    return True


def process(files: Files) -> int | None:
    """The process id of the machine, while it runs."""
    try:
        found = json.loads(files.process.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    started = _started(found["pid"])
    return int(found["pid"]) if started is not None and started == found["started"] else None


def _started(pid: int) -> int | None:
    """When a process began, in clock ticks since boot (proc_pid_stat(5), 22); None when it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def _unplug(nics: Sequence[NicSpec]) -> None:
    for nic in nics:
        namespaces.destroy_tap(nic.mac)


def _record(spec: MachineSpec) -> bytes:
    nics = [{"mac": nic.mac, "segment": nic.segment} for nic in spec.nics]
    return json.dumps({"owner_id": spec.owner_id, "name": spec.name, "nics": nics}).encode()


def _recorded(files: Files) -> MachineSpec | None:
    """What was deployed, without the seed; None when nothing was, or not to the end."""
    try:
        found = json.loads(files.record.read_bytes())
    except FileNotFoundError:
        return None
    nics = tuple(NicSpec(mac=nic["mac"], segment=nic["segment"]) for nic in found["nics"])
    return MachineSpec(owner_id=found["owner_id"], name=found["name"], nics=nics, seed=b"")


def _last_words(files: Files, most: int = _CONSOLE_LINES) -> str:
    try:
        lines = files.console.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    plain = [line for line in (_CONTROL.sub("", line).rstrip() for line in lines) if line]
    if not plain:
        return "its console has said nothing"
    return "\n".join(["the end of its console:", *plain[-most:]])


async def _run(*words: str) -> None:
    """Run a program to its end; raises HypervisorError with what it said."""
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), _START_SECONDS)
    except TimeoutError as error:
        raise HypervisorError(f"{words[0]} did not return in {_START_SECONDS:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        text = said.decode(errors="replace").strip()
        raise HypervisorError(f"{words[0]} failed ({process.returncode}): {text}")
