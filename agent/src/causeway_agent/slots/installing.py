"""What is done to the slots, step by step, so that every step may be the last one.

    receive    forget the other slot · write kernel, initramfs, root · read them back · write its manifest
    activate   write its loader entry, with tries: from here on it starts · remove its others
    bless      the running slot's entry, without tries · remove its others
    abandon    forget the other slot

A slot is complete if its manifest is there, and starts if its loader entry is there. To forget is to remove
entries, then manifest, then the files, so that nothing points to clusters that are written anew. An entry
that a power cut left empty counts as none and is removed with the others. The running slot is never written
to, whatever is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from causeway_agent import __version__
from causeway_agent.slots import age, archive, loader
from causeway_agent.slots.archive import Archive, refused
from causeway_agent.slots.disk import ENTRIES, Disk, NoRoomError
from causeway_wire import codec, update_file
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.update import (
    FORMAT,
    Activation,
    Manifest,
    Member,
    Slot,
    SlotReport,
    SlotState,
    UpdateStatus,
    state_of,
)

SPARE = 1024 * 1024
"""Octets of the EFI system partition that stay free: firmware and loader write there too."""
TRIAL = "causeway.trial"
"""Kernel option: seconds from the kernel's start until the system must be healthy."""
CONFIRM = "causeway.confirm"
"""Kernel option: it must also have been asked for its slots by a controller."""

Verify = Callable[[bytes, bytes | None], None]
"""Raises ProblemError when this signature (or none) of this manifest is not good enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """This machine, as it runs."""

    running: Slot
    architecture: str
    machine_id: str
    """machine-id(5): both slots share it, so that the log of a trial that failed can be read afterwards."""
    partitions: dict[Slot, str]
    """GPT identifiers of the root partitions."""


def status(disk: Disk, here: Here) -> UpdateStatus:
    """What is in the slots."""
    entries = _entries(disk)
    reports = {slot: _report(disk, entries, slot, runs=slot is here.running) for slot in Slot}
    starting = loader.first(entries)
    return UpdateStatus(
        state=state_of(reports[here.running], reports[here.running.other]),
        running=here.running,
        next=here.running if starting is None else starting.slot,
        slots=tuple(reports.values()),
    )


def receive(
    disk: Disk, here: Here, file: Archive, sha256: str, *, verify: Verify, allow_older: bool = False
) -> None:
    """Write an update file into the slot that does not run; until `activate` nothing starts it.

    Raises ProblemError. Refused before anything is touched: what can be known by then. After that the slot is
    empty unless all went well.
    """
    refuse_on_trial(disk, here)
    slot = here.running.other
    text = file.whole(_expect(file.head(), update_file.MANIFEST), limit=update_file.MANIFEST_LIMIT)
    manifest = _manifest(text)
    head = file.head()
    signature = None
    if head.name == update_file.SIGNATURE:
        signature = file.whole(head, limit=update_file.SIGNATURE_OCTETS)
        head = file.head()
    verify(text, signature)
    _refuse_older(disk, here, manifest, allowed=allow_older)
    _check(disk, here, manifest)
    forget(disk, slot)
    try:
        for name, member in (
            (update_file.LINUX, manifest.members.linux),
            (update_file.INITRD, manifest.members.initrd),
        ):
            if _expect(head, name).octets != member.octets:
                raise refused(f"{name} has not the {member.octets} octets that the manifest says")
            disk.write(_path(slot, name), file.content(head))
            head = file.head()
        root = manifest.members.root
        packed = file.content(_expect(head, update_file.ROOT))
        disk.fill(slot, archive.unpacked(packed, octets=root.octets))
    except NoRoomError as error:
        raise refused(str(error)) from error
    file.end(sha256)
    _verify(disk, slot, manifest)
    disk.write(_path(slot, update_file.MANIFEST), [text])


def activate(disk: Disk, here: Here, wanted: Activation) -> None:
    """Start the other slot from the next restart on, on trial; raises ProblemError."""
    refuse_on_trial(disk, here)
    slot, entries = here.running.other, _entries(disk)
    found = _report(disk, entries, slot, runs=False)
    described = _described(disk, slot)
    if described is None or found.build != wanted.build:
        detail = f"slot {slot} holds {'no system' if found.build is None else f'build {found.build}'}"
        raise ProblemError(problem(ProblemType.UPDATE_NOT_READY, detail, pointer="/build"))
    manifest = described[1]
    allowed = wanted.allow_older is True
    _refuse_older(disk, here, manifest, allowed=allowed, pointer="/allow_older")
    options = (
        f"root=PARTUUID={here.partitions[slot]} {manifest.options} "
        f"systemd.machine_id={here.machine_id} {TRIAL}={wanted.seconds}"
    )
    if wanted.confirm:
        options += f" {CONFIRM}"
    serial = loader.next_serial(entries)
    entry = loader.render(slot, version=manifest.version, serial=serial, options=options)
    name = loader.name(slot, tries=wanted.tries)
    disk.write(f"{ENTRIES}/{name}", [entry])
    _remove_entries(disk, slot, but=name)


def bless(disk: Disk, here: Here) -> bool:
    """The running slot has proven good: it starts from now on. Whether that was news.

    Copied and then removed, not renamed: FAT has no rename that a power cut cannot halve.
    """
    counting = [e for e in _entries(disk) if e.slot is here.running and e.left is not None]
    entry = loader.first(counting)
    if entry is None:
        return False
    name, text = loader.name(here.running), disk.read(f"{ENTRIES}/{entry.name}")
    if text is not None:
        disk.write(f"{ENTRIES}/{name}", [text])
        _remove_entries(disk, here.running, but=name)
    return True


def abandon(disk: Disk, here: Here) -> None:
    """Empty the other slot; raises ProblemError while the running one may still have to give way to it."""
    refuse_on_trial(disk, here)
    forget(disk, here.running.other)


def forget(disk: Disk, slot: Slot) -> None:
    """Nothing starts this slot any more, and nothing takes it for complete."""
    _remove_entries(disk, slot, but=None)
    for name in (update_file.MANIFEST, update_file.LINUX, update_file.INITRD):
        disk.delete(_path(slot, name))


def _remove_entries(disk: Disk, slot: Slot, *, but: str | None) -> None:
    for name in disk.names(ENTRIES):
        if name != but and loader.slot_of(name) is slot:
            disk.delete(f"{ENTRIES}/{name}")


def refuse_on_trial(disk: Disk, here: Here) -> None:
    """Raises ProblemError while the running system is on trial: the other slot is the way back."""
    entry = loader.newest(_entries(disk), here.running)
    if entry is not None and entry.left is not None:
        detail = (
            f"slot {here.running} is on trial until it is healthy; slot {here.running.other} is the way back"
        )
        raise ProblemError(problem(ProblemType.UPDATE_IN_PROGRESS, detail, retry_after=30.0))


def _entries(disk: Disk) -> tuple[loader.Entry, ...]:
    found = ((name, disk.read(f"{ENTRIES}/{name}")) for name in disk.names(ENTRIES))
    parsed = (loader.parse(name, text) for name, text in found if text is not None)
    return tuple(entry for entry in parsed if entry is not None)


def _report(disk: Disk, entries: tuple[loader.Entry, ...], slot: Slot, *, runs: bool) -> SlotReport:
    entry = loader.newest(entries, slot)
    left = None if entry is None else entry.left
    described = _described(disk, slot)
    if described is None:
        return SlotReport(slot=slot, state=_state(entry, SlotState.EMPTY, runs=runs), tries_left=left)
    text, manifest = described
    return SlotReport(
        slot=slot,
        state=_state(entry, SlotState.READY, runs=runs),
        version=manifest.version,
        commit=manifest.commit,
        released=manifest.released,
        build=update_file.build_of(text),
        tries_left=left,
    )


def _described(disk: Disk, slot: Slot) -> tuple[bytes, Manifest] | None:
    """The slot's manifest and its text; None when there is none, or one that nobody can read."""
    text = disk.read(_path(slot, update_file.MANIFEST))
    try:
        return None if text is None else (text, codec.decode(text, Manifest))
    except ProblemError:
        return None


def _state(entry: loader.Entry | None, without: SlotState, *, runs: bool) -> SlotState:
    if entry is None:
        return without
    if entry.left is None:
        return SlotState.GOOD
    # The loader takes the try when it starts it: the last one runs with none left.
    return SlotState.TRYING if entry.left or runs else SlotState.FAILED


def _manifest(text: bytes) -> Manifest:
    try:
        return codec.decode(text, Manifest)
    except ProblemError as error:
        raise refused(f"{update_file.MANIFEST}: {error.problem.detail}") from error


def _refuse_older(disk: Disk, here: Here, new: Manifest, *, allowed: bool, pointer: str = "") -> None:
    """Raises ProblemError for what is older than the system that runs, and not than what was ever there: who
    went back on purpose goes on from there. The boot loader's own way back asks nobody.
    """
    described = _described(disk, here.running)
    if described is not None:
        running = described[1]
    else:  # the manifest was lost; what runs knows its own version
        running = msgspec.structs.replace(new, version=__version__, released=None)
    age.refuse_older(new, running, allowed=allowed, pointer=pointer)


def _check(disk: Disk, here: Here, manifest: Manifest) -> None:
    """Raises ProblemError for what can be known before the slot is touched."""
    members, slot = manifest.members, here.running.other
    if manifest.format > FORMAT:
        raise refused(
            f"format {manifest.format} is newer than {FORMAT}, which this system reads; update in steps"
        )
    if manifest.architecture != here.architecture:
        raise refused(f"the update is for {manifest.architecture}, this machine is {here.architecture}")
    if members.root.octets > disk.root_octets(slot):
        raise refused(f"the root file system does not fit into slot {slot}")
    freed = sum(disk.size(_path(slot, name)) for name in (update_file.LINUX, update_file.INITRD))
    lacking = members.linux.octets + members.initrd.octets + SPARE - disk.room() - freed
    if lacking > 0:
        raise refused(f"the EFI system partition lacks {lacking} octets for kernel and initramfs")


def _verify(disk: Disk, slot: Slot, manifest: Manifest) -> None:
    members = manifest.members
    read: tuple[tuple[str, Member, str], ...] = (
        (update_file.LINUX, members.linux, disk.digest(_path(slot, update_file.LINUX))),
        (update_file.INITRD, members.initrd, disk.digest(_path(slot, update_file.INITRD))),
        ("root", members.root, disk.root_digest(slot, members.root.octets)),
    )
    for name, member, digest in read:
        if digest != member.sha256:
            raise refused(f"{name} as read back from slot {slot} is not what the manifest says")


def _expect(head: update_file.Head, name: str) -> update_file.Head:
    if head.name != name:
        raise refused(f"the update file should go on with {name}, not with {head.name[:40]!r}")
    return head


def _path(slot: Slot, name: str) -> str:
    return f"causeway/{slot}/{name}"
