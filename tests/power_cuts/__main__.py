"""`make power-cuts`: cut the power during updates, and see whether the appliance boots and can be updated.

    .venv/bin/python -m tests.power_cuts --cuts 200 --seed 7

Takes the newest image in `dist`, or the one that is named. A small machine updates both of its slots while
QEMU logs each write to its EFI system partition. Then for each cut: does some whole system start, the one
that was promised, and is the partition repaired without a rest? Some of them are given to the image's kernel
and programs again, which check, mount, and update both slots once more. `--machines` cuts a whole appliance,
firmware to agent, while it takes an update over its API.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from image.workshop import ROOT
from tests import update_files
from tests.power_cuts import block_log, judging, machines, replay, small_machine
from tests.power_cuts.small_machine import Image
from tests.update_files import Made

BOOT_FILE = 700_000
"""Octets of an update's kernel: enough for its clusters to be written in many pieces."""
NEWEST = "9999"
"""The version of both updates."""
SHOWN = 10


def main() -> int:
    """Zero only if every cut ended well."""
    options = _parser().parse_args()
    built = sorted((ROOT / "dist").glob("causeway-*.qcow2"))
    disk = options.image or (built[-1] if built else None)
    if disk is None:
        tell("there is no image yet: make image")
        return 1
    with tempfile.TemporaryDirectory(prefix="causeway-cuts-", dir=options.work) as name:
        work = Path(name)
        image = small_machine.open_image(disk.resolve(), work)
        updates = [_update(work, name) for name in ("first", "second")]
        unsound, kept = replayed(image, work, updates, options)
        stuck = updated_again(image, work, updates, kept)
        lost = whole_machines(disk.resolve(), work, options)
    tell(
        f"{options.cuts} cuts (seed {options.seed}): {unsound} unsound; "
        f"{len(kept)} updated again in both slots, {stuck} could not be"
    )
    return int(bool(unsound or stuck or lost))


def whole_machines(disk: Path, work: Path, options: argparse.Namespace) -> int:
    """How many whole machines did not recover; the first one ends it."""
    if not options.machines:
        tell("no whole machine was cut: MACHINES=1 does, in a quarter of an hour (some hours for many)")
        return 0
    for failure in (
        failures := machines.run(disk, work, machines=options.machines, seed=options.seed, tell=tell)
    ):
        tell(failure)
    tell(f"{options.machines} whole machines (seed {options.seed}): {len(failures)} did not recover")
    return len(failures)


def replayed(
    image: Image, work: Path, updates: Sequence[Made], options: argparse.Namespace
) -> tuple[int, list[Path]]:
    """How many cuts left a disk that is not sound, and disks of some of them, as they were found."""
    before, log, state = work / "first", work / "log", work / "state"
    _copy(image.esp, before)
    results = small_machine.run(image, work, [before], updates, log=log)
    if results != ["good"]:
        raise small_machine.SilentError(f"without any cut: {results}")
    entries = list(block_log.read(log))
    chosen = replay.cuts(entries, count=options.cuts, seed=options.seed)
    flushes = sum(entry.flush for entry in entries)
    tell(f"{len(entries)} requests of two updates were logged, {flushes} flushes")
    dice = random.Random(options.seed)  # noqa: S311
    again = set(dice.sample(chosen, min(options.again, len(chosen))))
    unsound, kept = 0, list[Path]()
    for found in replay.states(entries, chosen, image.esp, marker=small_machine.MARKER, into=state):
        if found.cut in again:
            kept.append(work / f"again-{len(kept)}")
            _copy(state, kept[-1])
        if wrong := judging.complaints(state, found.step):
            unsound += 1
            if unsound <= SHOWN:
                tell(f"cut at {found.cut}, during {found.step or 'the start'}: {'; '.join(wrong)}")
    return unsound, kept


def updated_again(image: Image, work: Path, updates: Sequence[Made], disks: Sequence[Path]) -> int:
    """How many of these disks the image's own kernel and programs cannot update in both slots."""
    stuck = 0
    for start in range(0, len(disks), small_machine.DISKS):
        batch = disks[start : start + small_machine.DISKS]
        for disk, result in zip(batch, small_machine.run(image, work, batch, updates, log=None), strict=True):
            if result != "good":
                stuck += 1
                tell(f"{disk.name} could not be updated: {result}")
    return stuck


def tell(line: str) -> None:
    """One line for whoever waits."""
    sys.stdout.write(f"power-cuts: {line}\n")
    sys.stdout.flush()


def _update(work: Path, name: str) -> Made:
    """An update whose kernel and initramfs are nothing but noise, each of another size; none is older than
    the other, as each has to follow the other.
    """
    dice = random.Random(name)  # noqa: S311
    directory = work / f"update-{name}"
    directory.mkdir()
    linux = dice.randbytes(BOOT_FILE)
    initrd = dice.randbytes(BOOT_FILE // 2 + dice.randrange(BOOT_FILE))
    root = dice.randbytes(5000).ljust(small_machine.ROOT_OCTETS // 2, b"\0")
    return update_files.make_of(directory, NEWEST, linux=linux, initrd=initrd, root=root, released=2**32)


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "--sparse=always", source, target], check=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.power_cuts", description=__doc__)
    parser.add_argument("image", type=Path, nargs="?", help="the appliance's disk: qcow2, VMDK, VHDX or raw")
    parser.add_argument("--cuts", type=int, default=200, help="how many disks are judged (200)")
    parser.add_argument("--again", type=int, default=32, help="how many of them are updated again (32)")
    parser.add_argument("--seed", type=int, default=1, help="which cuts (1)")
    parser.add_argument("--machines", type=int, default=0, help="how often a whole machine is cut (0)")
    parser.add_argument("--work", type=Path, help="where scratch files go")
    return parser


if __name__ == "__main__":
    sys.exit(main())
